"""GLIP's checkpoints, as released: which of its variants the shapes of a file make up.

Li et al. 2022 (arXiv:2112.03857). Every size is read from the tensors, so T (A), (B), (C), T and L
are all found without being named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.models.formats.json_reader import JsonObject
from clipcli.models.formats.tensor_map import JoinedTensor, Table

HEAD_WIDTH = 64  # of BERT's attention, whatever its width
# Constants of the architecture, classes of COCO that no released head uses, and text positions.
UNUSED = re.compile(r"(.*\.)?(relative_position_index|position_ids|cls_logits\.(weight|bias))")
BODY, TEXT, TOWER = "backbone.body", "language_backbone.body.model", "rpn.head.dyhead_tower"

MODEL_TYPE = "glip"  # in a config.json of ours: released files have none
SHORT_PX, LONG_PX = 800, 1333  # as released: sides of a picture, at least and at most
LARGEST_PX = 8192

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class GlipArchitecture:
    """Swin, BERT, and a tower in which they meet or, in T (A), do not."""

    width: int  # of Swin's first stage
    depths: tuple[int, ...]  # blocks a stage
    heads: tuple[int, ...]  # a stage
    window: int  # cells, square
    channels: int  # of the feature pyramid and the tower
    tower_depth: int
    is_fused: bool  # whether text and image look at each other in the tower
    text_width: int
    text_layers: int
    text_mlp_width: int
    vocab_size: int
    context_length: int  # positions that BERT knows; GLIP reads 256 tokens at most

    @property
    def text_heads(self) -> int:
        """How many heads BERT's attention has."""
        return self.text_width // HEAD_WIDTH


def read_glip(path: Path, shapes: Shapes) -> GlipArchitecture:
    """Return the architecture that a checkpoint's shapes make up.

    Raises
    ------
    ModelError
        If these are not GLIP's tensors.
    """
    try:
        return _read(shapes)
    except (KeyError, IndexError, ValueError) as error:
        some = ", ".join(list(shapes)[:3]) or "nothing"
        raise ModelError(
            f"{path}: is no model that locates: neither GLIP's weights nor a folder of OWL-ViT or "
            f"OWLv2; it holds {some}"
        ) from error


def picture_sides(data: JsonObject) -> tuple[int, int]:
    """Return the sides of pictures that a ``config.json`` of ours says.

    Raises
    ------
    ModelError
        If they make no sense.
    """
    short, long = data.whole("short_px"), data.whole("long_px")
    if not 0 < short <= long <= LARGEST_PX:
        raise ModelError(f"{data.path}: short_px {short} and long_px {long} make no sense")
    return short, long


def write_glip_config(folder: Path, short_px: int, long_px: int) -> None:
    """Say beside weights which sides of pictures they were trained with."""
    told = {"model_type": MODEL_TYPE, "short_px": short_px, "long_px": long_px}
    text = json.dumps(told, indent=2)
    (folder / "config.json").write_text(f"{text}\n", encoding="utf-8")


def glip_plan(table: Table) -> dict[str, JoinedTensor]:
    """Return a checkpoint's tensors under their own names, which are the network's."""
    return {
        name: JoinedTensor((name,), (stored,))
        for name, stored in table.items()
        if not UNUSED.fullmatch(name)
    }


def _read(shapes: Shapes) -> GlipArchitecture:
    n_stages = _count(shapes, f"{BODY}.layers")
    depths = tuple(_count(shapes, f"{BODY}.layers.{i}.blocks") for i in range(n_stages))
    tables = [
        shapes[f"{BODY}.layers.{i}.blocks.0.attn.relative_position_bias_table"]
        for i in range(n_stages)
    ]
    vocab_size, text_width = shapes[f"{TEXT}.embeddings.word_embeddings.weight"]
    tower = _count(shapes, TOWER)
    is_fused = f"{TOWER}.0.b_attn.gamma_v" in shapes
    n_window = round(tables[0][0] ** 0.5)  # 2 window - 1
    return GlipArchitecture(
        width=shapes[f"{BODY}.patch_embed.proj.weight"][0],
        depths=depths,
        heads=tuple(table[1] for table in tables),
        window=(n_window + 1) // 2,
        channels=shapes["backbone.fpn.fpn_layer4.weight"][0],
        tower_depth=tower // 3 if is_fused else tower,
        is_fused=is_fused,
        text_width=text_width,
        text_layers=_count(shapes, f"{TEXT}.encoder.layer"),
        text_mlp_width=shapes[f"{TEXT}.encoder.layer.0.intermediate.dense.weight"][0],
        vocab_size=vocab_size,
        context_length=shapes[f"{TEXT}.embeddings.position_embeddings.weight"][0],
    )


def _count(shapes: Shapes, prefix: str) -> int:
    """Return how many numbered parts lie under a name."""
    n = len(prefix) + 1
    parts = {int(name[n:].split(".")[0]) for name in shapes if name.startswith(f"{prefix}.")}
    if parts != set(range(len(parts))) or not parts:
        raise ValueError(prefix)
    return len(parts)
