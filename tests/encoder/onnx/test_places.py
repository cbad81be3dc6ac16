"""Places of the bundled model by ONNX Runtime: as torch sees them, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcli.encoder.load_places import engine_of_places, load_places
from clipcli.encoder.onnx.places import PLACES_NAME, OnnxPlaces
from clipcli.encoder.torch.dense_runner import DenseRunner
from clipcli.encoder.torch.onnx_graph import write_places
from clipcli.models.folder import builtin_model_folder
from clipcli.models.open import open_model
from tests.encoder.torch.reference import build_clip, save_clip

MINI = builtin_model_folder()
PHOTOS = Path(__file__).parents[3] / "examples" / "photos"
PHOTO = PHOTOS / "coffee.jpg"


def cut(width: int, height: int) -> Image.Image:
    with Image.open(PHOTO) as photo:
        return photo.convert("RGB").resize((width, height))


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (90, 30), (40, 800)])
def test_places_are_torchs_for_pictures_of_any_shape(width: int, height: int) -> None:
    source, picture = open_model(MINI), cut(width, height)
    torchs = DenseRunner(source, "cpu")

    fine, deep, rows = OnnxPlaces(source).maps(picture)

    for ours, theirs in zip((fine, deep, rows), torchs.maps(picture), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, np.abs(theirs).max()))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1, atol=1e-6)
    np.testing.assert_array_equal(OnnxPlaces(source).encode(picture), rows)


def test_rows_are_the_same_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    source, picture = open_model(MINI), cut(320, 240)
    rows = []
    for cores in (1, 2, 5):
        monkeypatch.setattr("clipcli.encoder.onnx.places.usable_cores", lambda n=cores: n)
        rows.append(OnnxPlaces(source).encode(picture))

    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0], rows[2])


def test_the_graph_in_the_box_is_the_one_that_is_written(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(MINI, tmp_path / "mini"))
    (copy / PLACES_NAME).unlink()
    source = open_model(copy)

    write_places(source, copy / PLACES_NAME)

    picture = cut(200, 300)
    expected = OnnxPlaces(open_model(MINI)).encode(picture)
    np.testing.assert_array_equal(OnnxPlaces(source).encode(picture), expected)
    # The weights of both graphs are worked out by one recipe.
    assert (copy / "image.json").read_bytes() == (MINI / "image.json").read_bytes()
    assert (copy / PLACES_NAME).stat().st_size < 100_000


def test_torch_looks_where_onnx_runtime_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipcli.encoder.load_places.find_spec", lambda name: None)

    encoder = load_places(open_model(MINI), "cpu")

    assert isinstance(encoder, DenseRunner)
    assert encoder.precision == "fp32"


def test_torch_looks_where_it_is_asked_to_and_at_other_models(tmp_path: Path) -> None:
    mini, other = open_model(MINI), open_model(save_clip(build_clip(), tmp_path / "clip"))

    assert engine_of_places(mini, "auto") == engine_of_places(mini, "cpu", "onnx") == "onnx"
    for device, backend in (("cuda", "auto"), ("auto", "torch"), ("cpu", "openvino")):
        assert engine_of_places(mini, device, backend) == "torch"
    assert engine_of_places(other, "cpu", "onnx") == "torch"
    assert isinstance(load_places(other, "cpu"), DenseRunner)


@pytest.mark.parametrize("command", ["explain", "locate"])
def test_where_is_answered_without_torch(command: str, tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    words = [command, str(PHOTO), "--labels", "coffee, panda", "-o", str(out)]
    script = (
        f"import sys; from clipcli.cli.app import run\ncode = run({words!r})\n"
        "print(code, sorted({'torch', 'onnx', 'transformers'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "0 []", done.stderr
    assert json.loads(out.read_text(encoding="utf-8").splitlines()[0])["status"] == "ok"
