"""The networks of all catalogued models, full size, against lists made by reference libraries.

``tests/golden/make_catalog.py`` and ``make_openclip.py`` made the lists. Networks are built on the
meta device, which costs no memory.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.load import empty_model
from clipcli.models.catalog.architectures import N_PARAMETERS, SHAPES
from clipcli.models.catalog.catalog import catalog
from clipcli.models.config import SiglipArchitecture
from clipcli.models.formats.huggingface_keys import huggingface_clip, huggingface_siglip
from clipcli.models.formats.tensor_map import TensorSpec
from tests.golden.make_catalog import unfold

GOLDEN = Path(__file__).parents[2] / "golden"
Shapes = Mapping[str, tuple[int, ...]]

# Millions of parameters, https://github.com/mlfoundations/open_clip/blob/main/docs/model_profile.csv
OPENCLIP_COUNTS = {
    "RN50": 102.01, "RN101": 119.69, "RN50x4": 178.3, "RN50x16": 290.98, "RN50x64": 623.26,
    "ViT-B-32": 151.28, "ViT-B-16": 149.62, "ViT-L-14": 427.62, "ViT-L-14-336": 427.94,
    "ViT-B-32-256": 151.29, "ViT-B-16-plus-240": 208.38, "ViT-H-14": 986.11,
    "ViT-H-14-378": 986.71, "ViT-g-14": 1366.68, "ViT-bigG-14": 2539.57,
    "siglip-base-patch16-224": 203.16, "siglip-base-patch16-256": 203.2,
    "siglip-base-patch16-384": 203.45, "siglip-base-patch16-512": 203.79,
    "siglip-base-patch16-256-multilingual": 370.63, "siglip-large-patch16-256": 652.15,
    "siglip-large-patch16-384": 652.48, "siglip-so400m-patch14-224": 877.36,
    "siglip-so400m-patch14-384": 877.96,
}  # fmt: skip
# Megabytes of their float32 files on the hub, https://huggingface.co/wkcn
TINYCLIP_FILES = {
    "TinyCLIP-ViT-8M-16-Text-3M-YFCC15M": 93.8,
    "TinyCLIP-ViT-39M-16-Text-19M-YFCC15M": 332,
    "TinyCLIP-ViT-40M-32-Text-19M-LAION400M": 337,
    "TinyCLIP-ViT-61M-32-Text-29M-LAION400M": 462,
}


def golden_shapes(name: str) -> Shapes:
    path = GOLDEN / "catalog" / f"{name}.txt"
    if not path.exists():
        path = GOLDEN / "keys" / path.name
    return dict(unfold(path.read_text(encoding="utf-8").splitlines()))


@functools.cache
def network(name: str) -> CLIP:
    return empty_model(SHAPES[name])


def our_shapes(name: str) -> Shapes:
    tensors = network(name).state_dict().items()
    return {
        key: tuple(tensor.shape)
        for key, tensor in tensors
        if not key.endswith("num_batches_tracked")
    }


def n_parameters(name: str) -> int:
    return sum(parameter.numel() for parameter in network(name).parameters())


def shape_made(wanted: TensorSpec, theirs: Shapes) -> tuple[int, ...]:
    """Join, turn and flatten shapes as the reader does with tensors."""
    first, *others = (theirs[name] for name in wanted.names)
    shape = first
    for other in others:
        assert other[1:] == first[1:]
        shape = (shape[0] + other[0], *shape[1:])
    if wanted.is_transposed:
        shape = shape[::-1]
    while wanted.is_flat and shape[:1] == (1,):
        shape = shape[1:]
    return shape


def expected_from(name: str, theirs: Shapes) -> tuple[Shapes, set[str]]:
    """Return our shapes as they follow from the reference's list, and the tensors they are of."""
    architecture = SHAPES[name]
    if not name.startswith(("TinyCLIP", "siglip")):
        return theirs, set(theirs)  # OpenCLIP's names are ours
    wanted = (
        huggingface_siglip(architecture)
        if isinstance(architecture, SiglipArchitecture)
        else huggingface_clip(architecture)
    )
    made = {key: shape_made(want, theirs) for key, want in wanted.items()}
    return made, {part for want in wanted.values() for part in want.names}


def test_has_exactly_the_tensors_of_the_reference(subtests: pytest.Subtests) -> None:
    for name in SHAPES:
        theirs = golden_shapes(name)

        with subtests.test(name):
            ours = our_shapes(name)

            expected, taken = expected_from(name, theirs)
            assert ours == expected
            assert taken == set(theirs)
            assert n_parameters(name) == N_PARAMETERS[name]


def test_has_as_many_parameters_as_published(subtests: pytest.Subtests) -> None:
    for name, millions in OPENCLIP_COUNTS.items():
        with subtests.test(name):
            assert round(N_PARAMETERS[name] / 1e6, 2) == millions


def test_every_entry_has_a_shape_that_is_held_to_a_golden_list(subtests: pytest.Subtests) -> None:
    counts = {N_PARAMETERS[name] for name in SHAPES}
    towers = [(shape.image, shape.text) for shape in SHAPES.values()]

    for entry in catalog():
        with subtests.test(entry.name):
            assert entry.n_parameters in counts
            assert (entry.architecture.image, entry.architecture.text) in towers


def test_downloads_are_as_large_as_foretold(subtests: pytest.Subtests) -> None:
    entries = {entry.name: entry for entry in catalog()}

    for name, megabytes in TINYCLIP_FILES.items():
        with subtests.test(name):
            assert entries[name].download_bytes / 1e6 == pytest.approx(megabytes, rel=2e-3)
