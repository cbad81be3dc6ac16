"""OWL-ViT's and OWLv2's folders, in the layout of Hugging Face's transformers.

Minderer et al. 2022 (arXiv:2205.06230) and 2023 (arXiv:2306.09683): CLIP's two towers, and small
heads on the image tower's patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clipcli.models.config import Architecture, VisionTransformer
from clipcli.models.formats import huggingface
from clipcli.models.formats.huggingface_keys import huggingface_clip
from clipcli.models.formats.json_reader import JsonObject
from clipcli.models.formats.tensor_map import TensorSpec

MODEL_TYPES = ("owlvit", "owlv2")
# What transformers takes where a config.json leaves it out, which published ones do.
TEXT = huggingface.CLIP_TEXT | {"max_position_embeddings": 16}
IMAGE = {
    "owlvit": huggingface.CLIP_IMAGE | {"image_size": 768, "patch_size": 32},
    "owlv2": huggingface.CLIP_IMAGE | {"image_size": 768, "patch_size": 16},
}
HEADS = {  # our module -> its layers; the names are theirs
    "class_head": ("dense0", "logit_shift", "logit_scale"),
    "box_head": ("dense0", "dense1", "dense2"),
}
OBJECTNESS = {"objectness_head": ("dense0", "dense1", "dense2")}


@dataclass(frozen=True, slots=True)
class OwlArchitecture:
    """CLIP's towers, and whether a third head says if a patch holds any object (OWLv2)."""

    clip: Architecture
    has_objectness: bool

    @property
    def grid(self) -> int:
        """How many patches lie along a side; each of them proposes one box."""
        return self.image.image_size // self.image.patch_size

    @property
    def image(self) -> VisionTransformer:
        """The image tower's shape; no other kind of tower has these heads."""
        assert isinstance(self.clip.image, VisionTransformer)
        return self.clip.image


def is_owl(data: JsonObject) -> bool:
    """Tell whether a ``config.json`` is one of these models'."""
    return data.values.get("model_type") in MODEL_TYPES


def read_owl(data: JsonObject) -> OwlArchitecture:
    """Return the architecture that a ``config.json`` says.

    Raises
    ------
    ModelError
        If it makes no sense.
    """
    kind = data.text("model_type")
    values = {
        **data.values,
        "text_config": _filled(data, "text_config", TEXT),
        "vision_config": _filled(data, "vision_config", IMAGE[kind]),
    }
    clip = huggingface.read_clip(JsonObject(values, data.path))
    return OwlArchitecture(clip, has_objectness=kind == "owlv2")


def owl_tensors(architecture: OwlArchitecture) -> dict[str, TensorSpec]:
    """Return all tensors of ``OwlViTForObjectDetection`` or ``Owlv2ForObjectDetection``."""
    heads = HEADS | (OBJECTNESS if architecture.has_objectness else {})
    layers = [f"{head}.{layer}" for head, names in heads.items() for layer in names]
    own = [
        f"{layer}.{tensor}" for layer in [*layers, "layer_norm"] for tensor in ("weight", "bias")
    ]
    prefix = "owlv2" if architecture.has_objectness else "owlvit"
    towers = {
        f"clip.{ours}": want._replace(names=tuple(_in_owl(name, prefix) for name in want.names))
        for ours, want in huggingface_clip(architecture.clip).items()
    }
    return towers | {name: TensorSpec((name,)) for name in own}


def _filled(data: JsonObject, key: str, usual: dict[str, int]) -> dict[str, Any]:
    given = {k: v for k, v in data.section(key).values.items() if v is not None}
    return usual | given


def _in_owl(name: str, prefix: str) -> str:
    return f"{prefix}." + name.replace("pre_layrnorm", "pre_layernorm")
