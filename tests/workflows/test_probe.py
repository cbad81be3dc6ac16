"""``clipcli probe``: linear classifiers that say what scikit-learn says, of the model they know."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.linear_model import LogisticRegression

from clipcli.cli.app import run
from clipcli.errors import ModelError, UsageError
from clipcli.models.formats.safetensors import RawTensor, write_tensors
from clipcli.pipeline.probe import Probe, read_probe
from clipcli.workflows.probe.choose import (
    DEFAULT_SHARE,
    DEFAULT_STRENGTH,
    Samples,
    choose,
    draw_shots,
    make_folds,
)
from clipcli.workflows.probe.fit import Linear, fit
from clipcli.workflows.probe.outcome import Labelled, ProbeOrigin, fit_probe
from tests.fakes import FakeEncoder

Clipcli = Callable[..., int]
Out = pytest.CaptureFixture[str]

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def clipcli(fake_model: FakeEncoder) -> Clipcli:
    return lambda *arguments: run([str(argument) for argument in arguments])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with six noisy pictures of each colour."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        folder = tmp_path / "tree" / name
        folder.mkdir(parents=True)
        for i in range(6):
            noisy = np.clip(np.array(colour) + random.normal(0, 60, (8, 8, 3)), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "tree"


def blobs(n: int = 60, c: int = 3, d: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows around one direction for each class, and their classes."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % c
    rows = random.normal(size=(c, d))[truth] + 0.8 * random.normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), truth


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("c", [2, 3, 7])
def test_a_fit_says_what_scikit_learn_says(c: int) -> None:
    images, truth = blobs(c=c)

    fitted = fit(images, truth, strength=3.0)

    reference = LogisticRegression(C=3.0, max_iter=1000).fit(images, truth)
    assert softmax(fitted.logits(images)) == pytest.approx(
        reference.predict_proba(images), abs=1e-12
    )


def test_classify_with_a_probe_says_what_scikit_learn_says(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    file = tmp_path / "p.safetensors"
    clipcli("probe", "fit", tree, "-o", file, "--no-zero-shot", "--json")
    told = json.loads(capfd.readouterr().out)
    clipcli("embed", tree, "-o", tmp_path / "v.npz")
    capfd.readouterr()

    code = clipcli("classify", tree, "--probe", file, "-k", 3, "-f", "json")

    answer = json.loads(capfd.readouterr().out)
    with np.load(tmp_path / "v.npz") as arrays:
        paths, vectors = arrays["paths"], arrays["vectors"].astype(float)
    names = np.array([Path(path).parent.name for path in paths])
    reference = LogisticRegression(C=told["strength"], max_iter=1000).fit(vectors, names)
    expected = dict(zip(paths, reference.predict_proba(vectors), strict=True))
    assert code == 0
    for record in answer["results"]:
        ours = {score["label"]: score["probability"] for score in record["top"]}
        theirs = dict(zip(reference.classes_, expected[record["path"]], strict=True))
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert answer["provenance"]["probability_kind"] == "probe"
    assert answer["provenance"]["probe"] == read_probe(file).hash
    assert answer["provenance"]["templates"] == []


def test_using_a_probe_needs_no_scikit_learn(
    clipcli: Clipcli, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Out
) -> None:
    file = tmp_path / "p.safetensors"
    clipcli("probe", "fit", tree, "-o", file)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)

    used = clipcli("classify", tree, "--probe", file)
    fitted = clipcli("probe", "fit", tree, "-o", tmp_path / "other.safetensors")

    assert (used, fitted) == (0, 2)
    assert 'pip install "clipcli[probe]"' in capfd.readouterr().err


@given(seed=st.integers(0, 1000), counts=st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_folds_hold_each_picture_out_once_and_keep_every_class(
    seed: int, counts: list[int]
) -> None:
    truth = np.repeat(np.arange(len(counts)), counts)

    folds = make_folds(truth, seed)

    single = {i for i, count in enumerate(counts) if count == 1}
    held_out = sorted(place for _, part in folds for place in part)
    assert held_out == [i for i, label in enumerate(truth) if label not in single]
    for fitted_on, part in folds:
        assert set(truth[fitted_on]) == set(truth)
        assert not set(fitted_on) & set(part)
        assert len(fitted_on) + len(part) == len(truth)


@given(seed=st.integers(0, 1000), shots=st.integers(1, 8))
def test_shots_are_so_many_of_each_class_or_all_there_are(seed: int, shots: int) -> None:
    truth = np.repeat([0, 1, 2], [5, 1, 9])

    drawn = draw_shots(truth, shots, seed)

    assert np.bincount(truth[drawn]).tolist() == [min(shots, 5), 1, min(shots, 9)]
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn.tolist() == draw_shots(truth, shots, seed).tolist()


@given(seed=st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_the_mix_is_never_worse_on_what_judges_it_than_the_words_alone(seed: int) -> None:
    images, truth = blobs(n=60, seed=seed)
    zero_shot = fit(images, truth, 100.0)
    noise = np.random.default_rng(seed).integers(0, 3, len(truth))
    noise[:3] = (0, 1, 2)  # each label occurs
    part = (np.arange(30), np.arange(30, 60))
    samples = Samples(images, np.concatenate([noise[:30], truth[30:]]), [part])

    choice = choose(samples, zero_shot)

    assert choice.verdict is not None
    assert choice.verdict.key >= samples.judge([zero_shot]).key
    assert choice.share < 1


def test_without_anything_to_hold_out_the_settings_are_the_stated_ones() -> None:
    images, truth = blobs(n=3)

    choice = choose(Samples(images, truth, make_folds(truth, 0)), Linear(images, np.zeros(3)))

    assert (choice.strength, choice.share, choice.verdict) == (
        DEFAULT_STRENGTH,
        DEFAULT_SHARE,
        None,
    )


def test_the_search_finds_what_a_full_one_finds() -> None:
    images, truth = blobs(n=80, c=4)
    samples = Samples(images, truth, make_folds(truth, 0))

    chosen = choose(samples, None)

    powers = np.arange(-48, 49) / 8  # all eighths of a decade
    full = [
        samples.judge([fit(images[a], truth[a], 10.0**p) for a, _ in samples.folds]).key
        for p in powers[::4]
    ]
    assert chosen.verdict is not None
    assert chosen.verdict.accuracy >= max(full)[0] - 0.025  # two pictures
    assert np.log10(chosen.strength) * 8 == pytest.approx(round(np.log10(chosen.strength) * 8))


def test_a_probe_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    images, truth = blobs()
    origin = ProbeOrigin(("a", "b", "ünter 😀"), "fake", "f" * 64, "fp32", {"shots": None})
    made = fit_probe(Labelled(images, truth), None, None, origin).probe

    (tmp_path / "p.safetensors").write_bytes(b"".join(made.pieces()))
    back = read_probe(tmp_path / "p.safetensors")

    assert (back.labels, back.model, back.fingerprint) == (made.labels, "fake", "f" * 64)
    assert (back.weights == made.weights).all()
    assert (back.biases == made.biases).all()
    assert (back.hash, back.settings) == (made.hash, made.settings)


def test_the_same_pictures_make_the_same_file(clipcli: Clipcli, tree: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]

    for file in files:
        clipcli("probe", "fit", tree, "-o", file, "--shots", 3, "--seed", 5)

    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_val_split_judges_and_a_test_split_is_left_out(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    tree.rename(whole / "train")
    for split in ("val", "test"):
        for name, colour in COLOURS.items():
            (whole / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), colour).save(whole / split / name / "1.png")

    clipcli("probe", "fit", whole, "-o", tmp_path / "p.safetensors", "--json")

    told = capfd.readouterr()
    facts = json.loads(told.out)
    assert (facts["pictures"], facts["held_out"], facts["accuracy"]) == (21, 3, 1.0)
    assert "3 pictures left out, in a test split" in told.err


def test_a_probe_of_another_model_is_refused_in_one_line(
    clipcli: Clipcli, fake_model: FakeEncoder, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    file = tmp_path / "p.safetensors"
    clipcli("probe", "fit", tree, "-o", file)
    capfd.readouterr()

    fake_model.config = FakeEncoder(fingerprint="e" * 64).config
    later = clipcli("classify", tree, "--probe", file)
    said_later = capfd.readouterr()
    fake_model.config = FakeEncoder(name="other", fingerprint="d" * 64).config
    other = clipcli("classify", tree, "--probe", file)
    said_other = capfd.readouterr()

    assert (later, other, said_later.out, said_other.out) == (4, 4, "", "")
    assert "was fitted on another version of fake" in said_later.err
    assert "was fitted on the vectors of fake, not of other" in said_other.err
    assert len(said_other.err.splitlines()) == 2  # the fact, and what to do


def test_an_empty_class_is_told_and_one_picture_is_enough(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    (tree / "empty").mkdir()
    for i in range(1, 6):
        (tree / "blue" / f"{i}.png").unlink()

    code = clipcli("probe", "fit", tree, "-o", tmp_path / "p.safetensors", "--json")

    told = capfd.readouterr()
    assert code == 0
    assert json.loads(told.out)["labels"] == ["blue", "green", "red"]
    assert "class 'empty' has no pictures" in told.err


def test_a_single_class_is_no_choice(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    code = clipcli("probe", "fit", tree / "red" / "..", "-o", tmp_path / "p.safetensors")
    for name in ("green", "blue"):
        for picture in (tree / name).iterdir():
            picture.unlink()
    again = clipcli("probe", "fit", tree, "-o", tmp_path / "q.safetensors")

    assert (code, again) == (0, 3)
    assert "'red' is the only class with pictures" in capfd.readouterr().err


def test_broken_pictures_are_told_and_the_rest_is_fitted(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    (tree / "red" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")

    code = clipcli("probe", "fit", tree, "-o", tmp_path / "p.safetensors", "--json")

    told = capfd.readouterr()
    assert (code, json.loads(told.out)["pictures"]) == (5, 18)
    assert "cut.jpg: truncated JPEG" in told.err


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--labels", "red, green"], "--labels and --probe"),
        (["--templates", "photo"], "--templates and --probe"),
        (["--independent"], "--independent and --probe"),
        (["--reject-threshold", "0.5"], "--reject-threshold and --probe"),
    ],
)
def test_what_asks_words_is_refused_beside_a_probe(
    arguments: list[str], fact: str, clipcli: Clipcli, tree: Path, capfd: Out
) -> None:
    code = clipcli("classify", tree, "--probe", "p.safetensors", *arguments)

    assert code == 2
    assert fact in capfd.readouterr().err


def test_files_that_are_no_probes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.safetensors"
    numbers = RawTensor("F64", (2, 2), np.eye(2).tobytes())
    probe = Probe(("a", "b"), np.eye(2), np.zeros(2), "fake", "f" * 64, "fp32")
    sound = b"".join(probe.pieces())
    cases = {
        "truncated": sound[:-1],
        "damaged": sound.replace(b'"a\\"', b'"b\\"'),  # two labels of one name
        "later clipcli": sound.replace(b"clipcli-probe-1", b"clipcli-probe-2"),
        "not a safetensors file": b"hello, this is a text and nothing else",
    }

    for fact, content in cases.items():
        file.write_bytes(content)
        with pytest.raises(ModelError, match=fact):
            read_probe(file)
    write_tensors(file, {"weight": numbers})
    with pytest.raises(ModelError, match="is no probe"):
        read_probe(file)


def test_a_probe_that_is_not_there_is_told(clipcli: Clipcli, tree: Path, capfd: Out) -> None:
    code = clipcli("classify", tree, "--probe", "gone.safetensors")

    assert code == 4
    assert "gone.safetensors: no such probe" in capfd.readouterr().err


def test_the_target_is_checked_before_any_picture_is_read(
    clipcli: Clipcli, fake_model: FakeEncoder, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.safetensors").touch()

    codes = [
        clipcli("probe", "fit", tree, "-o", tmp_path / name)
        for name in ("there.safetensors", "p.npz", "no/p.safetensors")
    ]

    assert codes == [2, 2, 3]
    assert fake_model.batches == []


def test_show_tells_what_is_in_a_probe(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    clipcli("probe", "fit", tree, "-o", tmp_path / "p.safetensors", "--shots", 2)
    capfd.readouterr()

    clipcli("probe", "show", tmp_path / "p.safetensors")

    told = dict(line.split("\t") for line in capfd.readouterr().out.splitlines())
    assert (told["labels"], told["shots"], told["pictures"]) == ("blue, green, red", "2", "6")


def test_python_takes_labels_or_a_probe() -> None:
    from clipcli.pipeline.classifier import Classifier

    with pytest.raises(UsageError, match="one of them"):
        Classifier(encoder=FakeEncoder())


def test_eval_compares_a_probe_with_zero_shot_on_the_same_pictures(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    file = tmp_path / "p.safetensors"
    clipcli("probe", "fit", tree, "-o", file, "--no-zero-shot", "--json")
    clipcli("classify", tree, "--probe", file, "-f", "jsonl")
    lines = [line for line in capfd.readouterr().out.splitlines() if '"status": "ok"' in line]
    records = [json.loads(line) for line in lines]
    right = sum(Path(r["path"]).parent.name == r["label"] for r in records) / len(records)

    compared = clipcli("eval", tree, "--compare", f"probe={file}", "-f", "json")
    rival = json.loads(capfd.readouterr().out)
    alone = clipcli("eval", tree, "--probe", file, "-f", "json")
    own = json.loads(capfd.readouterr().out)

    assert (compared, alone) == (0, 0)
    assert own["top1"]["value"] == pytest.approx(right)
    assert own["provenance"]["probability_kind"] == "probe"
    assert f"probe={file}" in json.dumps(rival)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--probe", "p.safetensors", "--calibrate"], "--calibrate and --probe"),
        (["--probe", "p.safetensors", "--labels", "a, b"], "--labels and --probe"),
        (["--compare", "probe=p.safetensors; labels=a, b"], "no use for labels"),
    ],
)
def test_eval_refuses_words_beside_a_probe(
    arguments: list[str], fact: str, clipcli: Clipcli, tree: Path, capfd: Out
) -> None:
    code = clipcli("eval", tree, *arguments)

    assert code == 2
    assert fact in capfd.readouterr().err


def test_one_picture_a_class_is_enough_and_it_is_told_that_nothing_was_judged(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    clipcli("probe", "fit", tree, "-o", tmp_path / "p.safetensors", "--shots", 1, "--json")
    told = capfd.readouterr()
    code = clipcli("classify", tree, "--probe", tmp_path / "p.safetensors", "-q")

    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    facts = json.loads(told.out)
    assert (facts["pictures"], facts["held_out"], facts["accuracy"]) == (3, 0, None)
    assert "leaves none to judge by" in told.err
    assert code == 0
    assert all(Path(path).parent.name == label for path, label, _ in lines)


def test_sort_puts_pictures_into_the_classes_of_a_probe(
    clipcli: Clipcli, tree: Path, tmp_path: Path, capfd: Out
) -> None:
    clipcli("probe", "fit", tree, "-o", tmp_path / "p.safetensors")
    capfd.readouterr()

    clipcli(
        "sort", tree, "--into", tmp_path / "sorted", "--probe", tmp_path / "p.safetensors", "-n"
    )

    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert len(lines) == 18
    assert all(Path(old).parent.name == Path(new).parent.name for old, new, *_ in lines)
