"""The released models' tensors, by name and shape, against lists made with OpenCLIP.

``tests/golden/make_openclip.py`` made the lists from OpenCLIP's own configurations.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcli.encoder.torch.load import empty_model
from clipcli.errors import ModelError
from clipcli.models.formats.openai import RELEASED, architecture_from_shapes

KEYS = Path(__file__).parents[1] / "golden" / "keys"


def golden_shapes(name: str) -> dict[str, tuple[int, ...]]:
    path = KEYS / f"{name.replace('/', '-').replace('@336px', '-336')}.txt"
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        key: () if axes == "scalar" else tuple(int(axis) for axis in axes.split("x"))
        for key, axes in lines
    }


@pytest.mark.parametrize("name", RELEASED)
def test_has_exactly_the_tensors_of_the_released_model(name: str) -> None:
    expected = golden_shapes(name)

    model = empty_model(RELEASED[name])

    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    counters = {key for key in shapes if key.endswith("num_batches_tracked")}
    assert {key: shapes[key] for key in shapes.keys() - counters} == expected


@pytest.mark.parametrize("name", RELEASED)
def test_infers_the_architecture_from_a_released_models_shapes(name: str) -> None:
    shapes = golden_shapes(name)

    inferred = architecture_from_shapes(shapes, "quick_gelu")

    assert inferred == RELEASED[name]


def test_names_the_tensor_without_which_nothing_can_be_inferred() -> None:
    shapes = golden_shapes("ViT-B/32")
    del shapes["text_projection"]

    with pytest.raises(ModelError, match="text_projection"):
        architecture_from_shapes(shapes, "quick_gelu")


@pytest.mark.parametrize(
    ("name", "expected"),
    # As OpenCLIP counts them; Radford et al. 2021 give no totals.
    [("ViT-B/32", 151_277_313), ("RN50", 102_007_137), ("RN50x64", 623_258_305)],
)
def test_has_as_many_parameters_as_the_released_model(name: str, expected: int) -> None:
    model = empty_model(RELEASED[name])

    assert sum(parameter.numel() for parameter in model.parameters()) == expected
