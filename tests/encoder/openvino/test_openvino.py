"""OpenVINO in torch's place: near to it, made once, refused where it cannot serve."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipcli.encoder import check_images as pictures
from clipcli.encoder import exports
from clipcli.encoder.comparison import Comparison
from clipcli.encoder.encoder import load_encoder
from clipcli.errors import DeviceError, MissingExtraError
from clipcli.models.config import Preprocessing

needs_openvino = pytest.mark.skipif(
    any(exports.find_spec(name) is None for name in exports.OPENVINO.packages), reason="an extra"
)


@pytest.fixture(scope="module")
def kept_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that several tests share, since exporting takes seconds."""
    return tmp_path_factory.mktemp("kept") / "cache"


@pytest.mark.parametrize("missing", exports.OPENVINO.packages)
def test_a_missing_extra_names_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "find_spec", lambda name: None if name == missing else object())

    with pytest.raises(MissingExtraError, match=missing) as caught:
        load_encoder("mini", "auto", "auto", "openvino")

    assert caught.value.hint == 'pip install "clipcli[openvino]"'


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        (("cuda", "auto", "openvino"), "on the cpu"),
        (("auto", "fp16", "openvino"), "not there with openvino"),
        (("auto", "int8", "torch"), "not there with torch"),
        (("auto", "auto", "tensorrt"), "not known"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_loaded(
    asked: tuple[str, str, str], fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "find_spec", lambda name: object())

    with pytest.raises(DeviceError, match=fact):
        load_encoder("mini", *asked)


@needs_openvino
def test_classifies_without_torch_once_the_model_is_exported(
    tiny_model_folder: Path,
    clipcli_process: Callable[..., Any],
    tmp_path: Path,
    kept_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIPCLI_CACHE", str(kept_cache))
    folder = tmp_path / "pictures"
    folder.mkdir()
    saved = pictures._tiles()
    for i, tile in enumerate(saved[:3]):
        tile.save(folder / f"{i}.png")
    arguments = ("classify", folder, "--labels", "a, b, c", "--model", tiny_model_folder)
    with_backend = (*arguments, "--backend", "openvino", "--precision", "fp32", "--no-cache")

    first = clipcli_process(*with_backend)
    again = clipcli_process(*with_backend, "-o", tmp_path / "out.json")

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert "making the model ready for openvino" in first.stderr
    assert "making the model ready" not in again.stderr
    assert "same first label for 16 of 16 pictures" in again.stderr
    kept = json.loads(next(kept_cache.glob("backends/*/comparison.json")).read_text("utf-8"))
    assert kept["usual"].startswith("torch ")  # a model of this size is not exported unasked
    assert kept["images_per_s"] > 0 < kept["usual_images_per_s"]
    assert ("slower here than torch" in again.stderr) == bool(Comparison(**kept).slower)
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert told["provenance"]["precision"] == "fp32-openvino"
    assert told["provenance"]["backend"].startswith("openvino fp32: cosine to torch 1.0000")
    plain = clipcli_process(*arguments, "--precision", "fp32", "--no-cache", "--format", "jsonl")
    expected = [json.loads(line) for line in plain.stdout.splitlines()]
    for ours, theirs in zip(told["results"], expected, strict=True):
        assert ours["path"] == theirs["path"]
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=0.01)


@needs_openvino
def test_torch_is_not_imported_for_an_exported_model(
    tiny_model_folder: Path, kept_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPCLI_CACHE", str(kept_cache))
    encoder = load_encoder(str(tiny_model_folder), "auto", "fp32", "openvino")
    pixels = pictures.check_pixels(encoder.config.preprocessing)
    rows = encoder.encode_images(pixels)
    np.testing.assert_array_equal(encoder.encode_images(pixels[3:5]), rows[3:5])
    script = (
        "import sys, numpy as np; from clipcli.encoder.encoder import load_encoder\n"
        f"encoder = load_encoder({str(tiny_model_folder)!r}, 'auto', 'fp32', 'openvino')\n"
        "assert not encoder.has_to_export\n"
        "encoder.encode_images(np.zeros((1, 32, 32, 3), np.uint8))\n"
        "print('torch' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False"]
    torch_rows = load_encoder(str(tiny_model_folder), "cpu", "fp32").encode_images(pixels)
    np.testing.assert_allclose(rows, torch_rows, atol=2e-5)
    assert encoder.asked == ("auto", "fp32", "openvino")


@needs_openvino
@pytest.mark.soak
def test_mini_in_eight_bits_is_near_to_torch() -> None:
    encoder = load_encoder("mini", "auto", "auto", "openvino")
    pixels = pictures.check_pixels(encoder.config.preprocessing)

    rows = encoder.encode_images(pixels)

    exact = load_encoder("mini", "cpu", "fp32", "torch").encode_images(pixels)
    assert encoder.precision == "int8-openvino"
    assert (rows * exact).sum(axis=1).min() >= 0.98


def test_the_photographs_are_sixteen_and_none_serves_twice() -> None:
    tiles = [np.asarray(tile) for tile in pictures._tiles()]

    assert len(tiles) == len(pictures.PROMPTS) == 16
    assert all(tile.std() > 15 for tile in tiles)  # none is empty
    preprocessing = Preprocessing(32)
    calibrated = {bytes(p) for p in pictures.calibration_pixels(preprocessing)}
    checked = {bytes(p) for p in pictures.check_pixels(preprocessing)}
    assert (len(calibrated), len(checked)) == (48, 16)
    assert not calibrated & checked
