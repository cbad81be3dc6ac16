"""The command that teaches a text tower, from corpus to model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clipcli.cli.app import run
from clipcli.encoder.torch.load import load_model
from clipcli.models.folder import open_model_folder
from clipcli.models.resolve import open_named
from clipcli.training.text.corpus import open_corpus, teacher_vectors
from tests.training.test_train_command import tiny_model  # noqa: F401 - a fixture

WORDS = ("red", "green", "blue", "dog", "cat", "car", "tree", "sky")
SMALL = "width: 16\nlayers: 1\nheads: 2\nmlp_width: 16\nmerges: 20\nbatch_size: 16\nheld_out: 0.1\n"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    lines = [f"{a} {b}" for a in WORDS for b in WORDS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_a_model_gets_a_new_text_tower_that_says_what_its_own_does(
    tmp_path: Path,
    texts: Path,
    settings: Path,
    tiny_model: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    words = ["train-text", str(texts), "--out", str(out), "--config", str(settings)]

    code = run([*words, "--model", str(tiny_model), "--steps", "60", "--lr", "0.003"])

    made, before = open_model_folder(out / "model"), open_model_folder(tiny_model)
    assert code == 0
    assert made.config.architecture.text.width == 16
    assert made.config.logit_scale == before.config.logit_scale
    new, old = load_model(made).state_dict(), load_model(before).state_dict()
    assert all(torch.equal(new[name], old[name]) for name in old if name.startswith("visual."))
    same = [
        teacher_vectors(open_named(str(path)), [[f"{a} {b}"] for a in WORDS for b in WORDS])
        for path in (out / "model", tiny_model)
    ]
    # How well it learns is distil's own test; a tower that is not the taught one has about 0.
    assert (same[0] * same[1]).sum(dim=1).mean() > 0.6
    told = capsys.readouterr()
    assert told.out == ""
    assert "held-out texts: cosine to the teacher" in told.err
    assert "<polyline" in (out / "curves.html").read_text(encoding="utf-8")


def test_the_same_command_goes_on_with_the_same_vocabulary(
    tmp_path: Path,
    texts: Path,
    settings: Path,
    tiny_model: Path,  # noqa: F811
) -> None:
    out = tmp_path / "out"
    words = ["train-text", str(texts), "--out", str(out), "--config", str(settings), "-q"]
    words += ["--model", str(tiny_model)]

    run([*words, "--steps", "2"])
    merges = (out / "merges.txt").read_bytes()
    texts.write_text(texts.read_text(encoding="utf-8") + "a cow\n", encoding="utf-8")
    code = run([*words, "--steps", "4"])

    assert code == 0
    assert (out / "merges.txt").read_bytes() == merges
    assert '{"event": "resume", "step": 2}' in (out / "log.jsonl").read_text(encoding="utf-8")


def test_a_translation_has_the_vector_of_what_it_translates(
    tmp_path: Path,
    tiny_model: Path,  # noqa: F811
) -> None:
    table = tmp_path / "de.tsv"
    table.write_text("rot\tred\nred\tred\n", encoding="utf-8")

    corpus = open_corpus(table, open_named(str(tiny_model)), ("{}", "a {}"))

    assert corpus.texts == ["rot", "red"]
    assert torch.equal(corpus.vectors[0], corpus.vectors[1])
    expected = teacher_vectors(open_named(str(tiny_model)), [["red", "a red"]])
    torch.testing.assert_close(corpus.vectors[:1], expected)


def test_vectors_of_the_corpus_need_no_model(tmp_path: Path, settings: Path) -> None:
    corpus, out = tmp_path / "c.npz", tmp_path / "out"
    names = [f"{a} {b}" for a in WORDS for b in WORDS]
    np.savez(corpus, texts=np.array(names), vectors=np.eye(len(names), 12, dtype=np.float32) + 0.1)

    code = run(
        ["train-text", str(corpus), "--out", str(out), "--config", str(settings), "--steps", "1"]
    )

    assert code == 0
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-000000001.pt"]
    assert not (out / "model").exists()


@pytest.mark.parametrize(
    ("content", "words", "code", "message"),
    [
        ("a\n", ["--batch-size", "16"], 3, "batch_size 16: "),
        ("a\tb\tc\n", [], 3, "c.tsv:1: expected a text, or two"),
        ("a\t\n", [], 3, "c.tsv:1: expected a text, or two"),
        ("\n", [], 3, "c.tsv: no texts in it"),
        ("a\n", ["--steps", "0"], 2, "steps: must be above zero"),
        ("a\n", ["--steps", "1", "--epochs", "1"], 2, "epochs and steps: give one of them"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    tiny_model: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    content: str,
    words: list[str],
    code: int,
    message: str,
) -> None:
    corpus = tmp_path / "c.tsv"
    corpus.write_text(content, encoding="utf-8")
    whole = ["train-text", str(corpus), "--out", str(tmp_path / "out"), "--model", str(tiny_model)]

    found = run([*whole, *words])

    assert found == code
    assert message in capsys.readouterr().err


def test_texts_without_vectors_need_a_teacher(
    tmp_path: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["train-text", str(texts), "--out", str(tmp_path / "out")])

    assert code == 2
    assert "has no vectors, and no teacher is named" in capsys.readouterr().err
