"""Model folders: written whole, told apart by their fingerprints."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcli.errors import ExitCode, ModelError, OutputExistsError
from clipcli.models.config import (
    Architecture,
    ModelConfig,
    Preprocessing,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.fingerprint import ModelFolder, compute_fingerprint
from clipcli.models.folder import (
    claimed_fingerprint,
    open_model_folder,
    write_model_folder,
)
from clipcli.models.formats.safetensors import RawTensor
from clipcli.models.tokenizer.vocabulary import Vocabulary

Write = Callable[..., ModelFolder]
TEXT = TextTransformer(16, 515, width=8, layers=1, heads=1, mlp_width=8)
ARCHITECTURE = Architecture(4, VisionTransformer(8, 4, 8, 1, 1, 8), TEXT, "gelu")
CONFIG = ModelConfig("small", ARCHITECTURE, Preprocessing(8), logit_scale=1.0)


def numbers(*values: float, shape: tuple[int, ...] | None = None) -> RawTensor:
    data = struct.pack(f"<{len(values)}f", *values)
    return RawTensor("F32", (len(values),) if shape is None else shape, data)


# A folder does not look into its weights beyond the scale, so these need not be a network.
TENSORS = {"logit_scale": numbers(math.log(20), shape=()), "w": numbers(1, 2, 3, 4)}
VOCABULARY = Vocabulary.from_merges([("c", "a")])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a model folder; every part can be said."""

    def write(name: str = "model", **changes: object) -> ModelFolder:
        parts = {
            "tensors": TENSORS,
            "config": CONFIG,
            "vocabulary": VOCABULARY,
            "card": "# A model\n",
        }
        return write_model_folder(tmp_path / name, **(parts | changes))  # type: ignore[arg-type]

    return write


def test_a_written_folder_is_whole_and_says_what_was_written(write: Write) -> None:
    folder = write()

    reopened = open_model_folder(folder.path)

    assert reopened == folder
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "MODEL_CARD.md",
        "config.json",
        "merges.txt",
        "model.safetensors",
    ]
    assert folder.config == replace(
        CONFIG, fingerprint=folder.config.fingerprint, logit_scale=folder.config.logit_scale
    )
    assert folder.config.logit_scale == pytest.approx(20, rel=1e-6)
    assert re.fullmatch(r"[0-9a-f]{64}", folder.config.fingerprint)


def test_nothing_else_is_left_beside_a_written_folder(write: Write, tmp_path: Path) -> None:
    write()

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_write_leaves_nothing(write: Write, tmp_path: Path) -> None:
    no_scale = {"w": numbers(1)}

    with pytest.raises(ModelError, match="logit_scale"):
        write(tensors=no_scale)

    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_replaced_only_when_told_so(write: Write) -> None:
    first = write()
    changed = TENSORS | {"w": numbers(9)}

    with pytest.raises(OutputExistsError):
        write(tensors=changed)
    second = write(tensors=changed, overwrite=True)

    assert second.path == first.path
    assert second.config.fingerprint != first.config.fingerprint


def test_a_folder_that_is_no_model_is_never_replaced(write: Write, tmp_path: Path) -> None:
    photos = tmp_path / "model"
    photos.mkdir()
    (photos / "cat.jpg").write_bytes(b"dear")

    with pytest.raises(OutputExistsError):
        write(overwrite=True)

    assert (photos / "cat.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"tensors": TENSORS | {"w": numbers(1, 2, 3, 4.0000005)}}, id="one weight"),
        pytest.param({"tensors": TENSORS | {"w": numbers(1, 2, 3, 4, shape=(2, 2))}}, id="shape"),
        pytest.param(
            {"tensors": {"logit_scale": TENSORS["logit_scale"], "v": TENSORS["w"]}}, id="name"
        ),
        pytest.param({"vocabulary": Vocabulary.from_merges([("c", "b")])}, id="a merge"),
        pytest.param(
            {"config": replace(CONFIG, preprocessing=Preprocessing(8, crop_rounding="floor"))},
            id="preprocessing",
        ),
        pytest.param({"config": replace(CONFIG, scoring="sigmoid")}, id="scoring"),
        pytest.param(
            {
                "config": replace(
                    CONFIG, architecture=replace(ARCHITECTURE, activation="quick_gelu")
                )
            },
            id="activation",
        ),
    ],
)
def test_the_fingerprint_changes_with_all_that_counts(
    write: Write, changes: dict[str, object]
) -> None:
    original = write("original")

    other = write("other", **changes)

    assert other.config.fingerprint != original.config.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"card": "Other words\n"}, id="card"),
        pytest.param({"config": replace(CONFIG, name="b", licence="MIT", source="s")}, id="source"),
        pytest.param({"config": replace(CONFIG, templates=("{}",))}, id="templates"),
        pytest.param({"tensors": dict(reversed(TENSORS.items()))}, id="order"),
    ],
)
def test_the_fingerprint_stays_with_all_that_does_not_count(
    write: Write, changes: dict[str, object]
) -> None:
    original = write("original")

    other = write("other", **changes)

    assert other.config.fingerprint == original.config.fingerprint
    assert compute_fingerprint(other) == other.config.fingerprint


def test_a_folder_without_a_stored_fingerprint_gets_the_same_one(write: Write) -> None:
    folder = write()
    path = folder.path / "config.json"
    told = path.read_text(encoding="utf-8")
    path.write_text(told.replace(folder.config.fingerprint, ""), encoding="utf-8")

    reopened = open_model_folder(folder.path)

    assert reopened.config.fingerprint == folder.config.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "merges.txt"])
def test_names_the_file_that_is_missing(write: Write, name: str) -> None:
    folder = write()
    (folder.path / name).unlink()

    with pytest.raises(ModelError, match=rf"{name} is missing") as caught:
        open_model_folder(folder.path)

    assert caught.value.exit_code == ExitCode.MODEL


def test_truncated_weights_are_found_on_opening(write: Write) -> None:
    folder = write()
    whole = folder.weights_path.read_bytes()
    folder.weights_path.write_bytes(whole[:-3])

    with pytest.raises(ModelError, match="truncated"):
        open_model_folder(folder.path)


def test_a_scale_that_is_not_the_weights_own_is_refused(write: Write) -> None:
    folder = write()
    path = folder.path / "config.json"
    told = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'("logit_scale": )[\d.]+', r"\g<1>100.0", told), encoding="utf-8")

    with pytest.raises(ModelError, match=r"config.json: logit_scale: 100.0 is not"):
        open_model_folder(folder.path)


def test_a_vocabulary_of_another_size_is_refused(write: Write) -> None:
    with pytest.raises(ModelError, match="514 tokens, the architecture 515"):
        write(vocabulary=Vocabulary.from_merges([]))


def test_other_weights_under_a_known_fingerprint_have_their_own(write: Write) -> None:
    mini, other = write("mini"), write("other", tensors=TENSORS | {"w": numbers(4, 3, 2, 1)})
    claim = (mini.path / "config.json").read_text(encoding="utf-8")
    (other.path / "config.json").write_text(claim, encoding="utf-8")

    opened = open_model_folder(other.path)

    assert opened.config.fingerprint == compute_fingerprint(opened)
    assert opened.config.fingerprint != mini.config.fingerprint
    assert claimed_fingerprint(other.path) == mini.config.fingerprint


@pytest.mark.usefixtures("cache_folder")
def test_a_fingerprint_is_computed_once_for_files_that_stay(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write()
    for name in ("model.safetensors", "merges.txt"):
        os.utime(folder.path / name, (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr("clipcli.cache.identity.YOUNG_NS", -(10**15))
    asked = []

    def counted(folder: ModelFolder) -> str:
        asked.append(folder.path)
        return compute_fingerprint(folder)

    monkeypatch.setattr("clipcli.models.folder.compute_fingerprint", counted)
    fingerprints = {open_model_folder(folder.path).config.fingerprint for _ in range(3)}

    assert len(asked) == 1
    assert fingerprints == {folder.config.fingerprint}
    (folder.path / "merges.txt").write_text("#version: 0.2\na t\n", encoding="utf-8")
    assert open_model_folder(folder.path).config.fingerprint not in fingerprints
