"""EfficientNet-Lite against the reference implementations' names and answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.torch.efficientnet import EfficientNetTower, SameConv2d
from clipcli.encoder.torch.fold import fold_batch_norms
from clipcli.encoder.torch.tensors import gather
from clipcli.errors import ModelError
from clipcli.models.config import EfficientNetLite
from clipcli.models.formats.efficientnet import is_trunk, read_trunk
from clipcli.models.formats.safetensors import RawTensor, write_tensors
from clipcli.models.formats.tensor_map import read_weights
from tests.golden.make_efficientnet import formula_pixels, formula_tensor

from .conftest import make_restless

GOLDEN = Path(__file__).parents[2] / "golden"
LITE0 = EfficientNetLite(64, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 8)
SMALL = EfficientNetLite(64, (16, 24, 32, 40, 48, 56, 64), (1, 2, 1, 1, 2, 1, 1), 40)


def reference() -> dict[str, np.ndarray]:
    """Return the package's tensors by its names, of the formula's numbers."""
    with np.load(GOLDEN / "efficientnet_lite0.npz") as golden:
        names, shapes = golden["names"].tolist(), golden["shapes"].tolist()
    return {
        name: formula_tensor(name, tuple(map(int, axes.split("x"))))
        for name, axes in zip(names, shapes, strict=True)
    }


def write(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    raw = {name: RawTensor("F32", t.shape, t.tobytes()) for name, t in tensors.items()}
    write_tensors(path, raw)
    return path


def trunk_state(path: Path) -> dict[str, torch.Tensor]:
    return gather(read_trunk(read_weights(path)).plan)


def mean_features(tower: EfficientNetTower, pixels: torch.Tensor) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    hook = tower.head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        tower(pixels)
    hook.remove()
    return seen[0]


def test_equals_the_reference_package(tmp_path: Path) -> None:
    tower = EfficientNetTower(LITE0, 16).eval()
    state = trunk_state(write(tmp_path / "lite0.safetensors", reference()))
    missing = tower.load_state_dict(state, strict=False)
    expected = np.load(GOLDEN / "efficientnet_lite0.npz")["features"]

    features = mean_features(tower, torch.tensor(formula_pixels()))

    assert not missing.unexpected_keys
    torch.testing.assert_close(features, torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_tensors_are_called_as_timm_calls_them() -> None:
    lines = (GOLDEN / "keys" / "tf_efficientnet_lite0.txt").read_text(encoding="utf-8").splitlines()
    theirs = {line for line in lines if not line.startswith("classifier.")}

    tower = EfficientNetTower(LITE0, 16)

    ours = {
        f"{name} {'x'.join(map(str, tensor.shape))}"
        for name, tensor in tower.state_dict().items()
        if not name.startswith("head.") and not name.endswith("num_batches_tracked")
    }
    assert ours == theirs


def test_a_trunk_is_read_by_timms_names_too(tmp_path: Path) -> None:
    package = trunk_state(write(tmp_path / "package.safetensors", reference()))
    timm = {name: tensor.numpy().copy() for name, tensor in package.items()}

    again = trunk_state(write(tmp_path / "timm.safetensors", timm))

    assert again.keys() == package.keys()
    assert all(torch.equal(again[name], package[name]) for name in again)


@pytest.mark.parametrize("size", [31, 64, 97])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_pads_as_tensorflow_does(size: int, kernel: int, stride: int) -> None:
    """TensorFlow's "same": ceil(side / stride) steps, the smaller half of the padding first."""
    conv = SameConv2d(2, 2, kernel, stride, groups=2, bias=False)
    picture = torch.randn(1, 2, size, size)
    steps = -(-size // stride)
    total = max((steps - 1) * stride + kernel - size, 0)
    padded = torch.zeros(1, 2, size + total, size + total)
    start = total // 2
    padded[:, :, start : start + size, start : start + size] = picture

    with torch.inference_mode():
        out = conv(picture)
        expected = F.conv2d(padded, conv.weight, stride=stride, groups=2)

    assert out.shape[-1] == steps
    torch.testing.assert_close(out, expected, atol=0, rtol=0)


def test_folded_batch_norms_change_nothing_but_rounding() -> None:
    torch.manual_seed(0)
    tower = EfficientNetTower(SMALL, 24).eval()
    make_restless(tower)
    pixels = torch.randn(2, 3, 64, 64)

    with torch.inference_mode():
        expected = tower(pixels)
        fold_batch_norms(tower)
        embeddings = tower(pixels)

    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in tower.modules())
    torch.testing.assert_close(embeddings, expected, atol=1e-5, rtol=1e-4)


def test_what_is_wrong_with_a_trunk_is_named(tmp_path: Path) -> None:
    whole = reference()
    without_statistics = {n: t for n, t in whole.items() if "running" not in n}
    with_excite = {**whole, "_blocks.1._se_reduce.weight": np.zeros((4, 96, 1, 1), np.float32)}
    other_head = {**whole, "_fc.weight": np.zeros((10, 640), np.float32)}
    short = {n: t for n, t in whole.items() if not n.startswith("_blocks.15.")}
    faults = {
        "missing (_bn0.running_mean": without_statistics,
        "1 unexpected (_blocks.1._se_reduce.weight)": with_excite,
        "_fc.weight 10x640 where Nx1280 belongs": other_head,
        "6 stages, not 7": short,
        "is no EfficientNet-Lite: it has no conv_stem.weight": {"x": np.zeros(3, np.float32)},
    }
    for number, (expected, tensors) in enumerate(faults.items()):
        path = write(tmp_path / f"{number}.safetensors", tensors)

        with pytest.raises(ModelError) as caught:
            read_trunk(read_weights(path))

        assert expected in caught.value.message
        assert str(path) in caught.value.message


def test_an_image_tower_of_a_clip_is_no_trunk(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.safetensors", {"visual.conv1.weight": np.zeros(3, np.float32)})

    assert not is_trunk(read_weights(path))
