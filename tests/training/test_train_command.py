from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from clipcli.cli.app import run
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.load import load_model
from clipcli.models.config import EfficientNetLite
from clipcli.models.folder import open_model_folder
from clipcli.training.config_file import config_from_dict
from clipcli.training.train import train

from .conftest import COLOURS, tiny_architecture, write_packed


@pytest.fixture
def tiny_model(tmp_path: Path, vocabulary: Path) -> Path:
    """One step old."""
    config = config_from_dict(
        {
            "steps": 1,
            "batch_size": 8,
            "architecture": tiny_architecture(),
            "vocabulary": str(vocabulary),
            "evaluation": {"held_out": 0},
        },
        "test",
    )
    data = write_packed(tmp_path / "start", 8)
    return train(data, tmp_path / "first", config, say=lambda line: None).path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (40 + i, 40), colour).save(folder / name / f"{i}.png")
    return folder


def test_trains_on_a_folder_tree(
    tmp_path: Path, tiny_model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["train", str(photos), "--out", str(out), "--init", str(tiny_model)]

    code = run([*words, "--steps", "3", "--batch-size", "8", "--device", "cpu"])

    told = capsys.readouterr()
    assert code == 0
    assert told.out == ""
    assert "packing 24 pictures at 40 px" in told.err
    assert "zero-shot top-1: held out" in told.err
    assert open_model_folder(out / "model").config.name == "out"
    page = (out / "curves.html").read_text(encoding="utf-8")
    assert page.count("<polyline") >= 5


def test_same_command_goes_on(tmp_path: Path, tiny_model: Path, photos: Path) -> None:
    out = tmp_path / "out"
    words = ["train", str(photos), "--out", str(out), "--init", str(tiny_model), "-q"]

    run([*words, "--steps", "2", "--batch-size", "8"])
    code = run([*words, "--steps", "4", "--batch-size", "8"])

    log = (out / "log.jsonl").read_text(encoding="utf-8")
    assert code == 0
    assert '{"event": "resume", "step": 2}' in log


def test_configuration_file_counts_and_options_win(
    tmp_path: Path, tiny_model: Path, photos: Path
) -> None:
    settings = tmp_path / "t.yaml"
    settings.write_text("steps: 50\nbatch_size: 4\nname: mine\n", encoding="utf-8")
    words = ["train", str(photos), "--out", str(tmp_path / "out"), "--init", str(tiny_model), "-q"]

    run([*words, "--config", str(settings), "--steps", "2"])

    card = (tmp_path / "out" / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# mine\n")
    assert "8 seen in 2 steps" in card


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--steps", "3", "--epochs", "1"], 2, "clipcli: epochs and steps: give one of them"),
        (["--batch-size", "99"], 3, "clipcli: batch_size 99: the data has only 23 pairs"),
        (["--config", "none.yaml"], 2, "clipcli: none.yaml: cannot be read (No such file"),
        (["--device", "abacus"], 2, "clipcli: device 'abacus'"),
        (["--weight", "photos"], 2, "--weight 'photos': expected NAME=X"),
        (["--weight", "cats=2"], 3, "sources: 'cats' is not a source of the data"),
        (["--loss", "hinge"], 2, "loss: expected 'softmax' or 'sigmoid' or 'tokens', got"),
        (["--freeze", "tower"], 2, "freeze: expected 'image' or 'text', got"),
        (
            ["--precision", "fp8"],
            2,
            "precision: expected 'auto' or 'fp32' or 'bf16' or 'fp16', got",
        ),
        (["--chunk-size", "-1"], 2, "chunk_size: must not be below zero"),
        (["--config", "scratch.yaml"], 2, "the configuration has an `architecture`"),
        (["--init", "nowhere"], 4, "clipcli: model 'nowhere'"),
    ],
)
def test_bad_options_are_one_line_and_their_code(
    tmp_path: Path,
    tiny_model: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    message: str,
) -> None:
    whole = ["train", str(photos), "--out", str(tmp_path / "out"), "--init", str(tiny_model)]
    scratch = "architecture: {}\nvocabulary: merges.txt\n"
    (tmp_path / "scratch.yaml").write_text(scratch, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    found = run([*whole, *words])

    assert found == code
    assert message in capsys.readouterr().err


def test_several_sources_with_weights_are_trained_on_together(
    tmp_path: Path, tiny_model: Path, photos: Path
) -> None:
    packed, out = tmp_path / "start", tmp_path / "out"
    words = ["train", str(photos), str(packed), "--out", str(out), "--init", str(tiny_model), "-q"]

    code = run([*words, "--weight", "photos=2", "--steps", "1", "--batch-size", "8"])

    log = (out / "log.jsonl").read_text(encoding="utf-8")
    assert code == 0
    assert '"pictures": 31' in log  # 24 photos and 8 packed, one of them held out
    assert '"sources": {"photos": 2.0}' in log


def test_data_may_stand_in_the_configuration(
    tmp_path: Path, tiny_model: Path, photos: Path
) -> None:
    settings = tmp_path / "t.yaml"
    settings.write_text(
        f"steps: 1\nbatch_size: 4\ndata:\n- {{path: '{photos}', weight: 0.5}}\n", encoding="utf-8"
    )
    words = ["train", "--config", str(settings), "--out", str(tmp_path / "out"), "-q"]

    code = run([*words, "--init", str(tiny_model)])

    assert code == 0


def test_missing_data_is_told(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(tmp_path / "none"), "--out", str(tmp_path / "out")]

    code = run([*words, "--init", str(tiny_model)])

    assert code == 3
    assert "none: no such file or folder" in capsys.readouterr().err
    assert torch.is_grad_enabled()


@pytest.fixture
def trunk(tmp_path: Path) -> Path:
    """A small trunk, as timm would save it: with a classifier, without our head."""
    torch.manual_seed(0)
    shape = EfficientNetLite(32, (16, 24, 32, 40, 48, 56, 64), (1, 2, 1, 1, 2, 1, 1), 1)
    layers = EfficientNetTower(shape, 8).state_dict()
    state = {name: tensor for name, tensor in layers.items() if not name.startswith("head.")}
    state |= {"classifier.weight": torch.zeros(10, 1280), "classifier.bias": torch.zeros(10)}
    path = tmp_path / "lite.pth"
    torch.save(state, path)
    return path


def test_begins_from_a_published_trunk(
    tmp_path: Path,
    tiny_model: Path,
    photos: Path,
    trunk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIPCLI_MODEL", str(tiny_model))
    out = tmp_path / "out"
    words = ["train", str(photos), "--out", str(out), "--init", str(trunk), "--freeze", "text"]

    code = run([*words, "--steps", "2", "--batch-size", "8", "--device", "cpu"])

    assert code == 0
    folder = open_model_folder(out / "model")
    image = folder.config.architecture.image
    assert isinstance(image, EfficientNetLite)
    assert image.depths == (1, 2, 1, 1, 2, 1, 1)
    assert "the trunk lite.pth and the text tower of" in folder.config.source
    assert folder.config.preprocessing.mean == (127 / 255,) * 3
    trained, read = load_model(folder).state_dict(), load_model(open_model_folder(tiny_model))
    kept = read.state_dict()["token_embedding.weight"].half()
    assert torch.equal(trained["token_embedding.weight"].half(), kept)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("bn1.running_mean", None, "1 missing (bn1.running_mean)"),
        ("blocks.1.0.conv_dw.weight", (96, 1, 5, 5), "96x1x5x5 where 96x1x3x3 belongs"),
        ("classifier.weight", (10, 512), "classifier.weight 10x512 where Nx1280 belongs"),
    ],
)
def test_a_trunk_that_does_not_fit_is_named(
    tmp_path: Path,
    photos: Path,
    trunk: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    shape: tuple[int, ...] | None,
    expected: str,
) -> None:
    state = torch.load(trunk, weights_only=True)
    if shape is None:
        del state[name]
    else:
        state[name] = torch.zeros(shape)
    torch.save(state, trunk)

    code = run(["train", str(photos), "--out", str(tmp_path / "out"), "--init", str(trunk)])

    told = capsys.readouterr()
    assert code == 4
    assert str(trunk) in told.err.replace("\n", "")
    assert expected in " ".join(told.err.split())
