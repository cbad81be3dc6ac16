"""The Python front door: the same answers as the command line, and vectors for everything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipcli
from clipcli import Classified, Classifier, LabelSet, Skipped
from clipcli.cache.text_cache import TextCache
from clipcli.cli.app import run
from clipcli.errors import DeviceError, ImageError, LabelSetError, ModelError, TemplateError
from clipcli.labels.label_set import Label
from clipcli.pipeline import prefetch as feeder
from clipcli.results import to_record
from tests.fakes import FakeEncoder, letter_counts

COLOURS = ["red", "green", "blue"]


def make(labels: object = COLOURS, **options: object) -> Classifier:
    settings: dict[str, object] = {"templates": "plain", "encoder": FakeEncoder()}
    return Classifier(labels, **(settings | options))  # type: ignore[arg-type]


def test_names_what_is_in_each_picture(pictures: Path) -> None:
    results = list(make().classify([pictures / f"{name}.png" for name in COLOURS]))

    assert [result.label for result in results] == COLOURS  # type: ignore[union-attr]
    assert [Path(result.path).name for result in results] == ["red.png", "green.png", "blue.png"]


def test_probabilities_follow_from_the_vectors_by_hand(pictures: Path) -> None:
    # letters: "red" r e d; "green" g r e e n. Lengths sqrt 3 and sqrt 7; shared: r and two e's.
    cosine = 3 / (3 * 7) ** 0.5
    expected = 1 / (1 + np.exp(10 * (cosine - 1)))

    (result,) = make(["red", "green"]).classify([pictures / "red.png"])

    assert isinstance(result, Classified)
    assert result.probability == pytest.approx(expected, rel=1e-5)
    assert result.top[1].similarity == pytest.approx(cosine, rel=1e-5)


@pytest.mark.parametrize("as_type", [str, Path])
def test_one_path_is_as_good_as_a_list_of_it(
    as_type: Callable[[Path], str | Path], pictures: Path
) -> None:
    (result,) = make().classify(as_type(pictures / "red.png"))  # type: ignore[arg-type]

    assert Path(result.path).name == "red.png"


def test_folders_are_walked_and_failures_are_records(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"")

    results = list(make().classify([pictures, "missing.jpg"]))

    assert [type(result).__name__ for result in results] == [
        "Classified" if path.name != "broken.png" else "Skipped"
        for path in sorted(pictures.iterdir())
    ] + ["Skipped"]
    assert results[-1] == Skipped("missing.jpg", "no such file or folder")


def test_nothing_is_loaded_before_there_is_a_question() -> None:
    encoder = FakeEncoder()

    classifier = make(encoder=encoder)
    list(classifier.classify([]))

    assert (encoder.n_starts, encoder.texts) == (0, [])


def test_results_come_while_inputs_are_still_being_given(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "PATIENCE_S", 0.05)
    has_result = threading.Event()

    def paths() -> Iterator[Path]:
        yield pictures / "red.png"
        assert has_result.wait(10)
        yield pictures / "green.png"

    results = make().classify(paths())
    first = next(results)
    has_result.set()

    assert [first.path, *(result.path for result in results)] == list(map(str, paths()))


@pytest.mark.parametrize("labels", ["red, green", ["red", "green"], LabelSet.from_names("ab")])
def test_labels_may_be_said_in_several_ways(labels: object) -> None:
    assert len(make(labels).label_set.names) == 2


def test_templates_are_the_options_then_the_label_sets_then_the_models() -> None:
    own = LabelSet("own", (Label("a"), Label("b")), templates=("a drawing of a {}.",))
    encoder = FakeEncoder(templates=("the {}",))

    assert make(own).templates == ("{}",)
    assert make(own, templates=None, encoder=encoder).templates == ("a drawing of a {}.",)
    assert make(templates=None, encoder=encoder).templates == ("the {}",)
    assert len(make(templates=None).templates) == 7


def test_classifier_rows_are_unit_vectors_of_the_labels() -> None:
    classifier = make()

    assert classifier.classifier.shape == (3, 26)
    assert classifier.classifier[2] * 2 == pytest.approx(letter_counts("blue"), abs=1e-6)
    assert classifier.logit_scale == 10.0


def test_encodes_texts_as_they_are() -> None:
    rows = make().encode_texts(["red", "red"])

    assert rows.shape == (2, 26)
    assert rows[0] * 3**0.5 == pytest.approx(letter_counts("red"), abs=1e-6)
    assert make().encode_texts("red").shape == (1, 26)


def test_paths_pictures_and_arrays_of_one_image_give_one_vector(pictures: Path) -> None:
    path = pictures / "green.png"
    picture = Image.open(path)
    array = np.asarray(picture.convert("RGB"))

    rows = make().encode_images([path, str(path), picture, array, picture, path])

    assert rows.shape == (6, 26)
    assert rows.dtype == np.float32
    assert (rows == rows[0]).all()


def test_many_pictures_keep_their_order(pictures: Path) -> None:
    names = [COLOURS[i * i % 3] for i in range(50)]

    rows = make().encode_images(pictures / f"{name}.png" for name in names)

    expected = make().encode_images([pictures / f"{name}.png" for name in COLOURS])
    assert (rows == expected[[COLOURS.index(name) for name in names]]).all()


def test_no_images_give_no_rows() -> None:
    rows = make().encode_images([])

    assert rows.shape == (0, 26)
    assert rows.dtype == np.float32


def test_a_picture_in_memory_is_turned_and_laid_on_white_like_a_file(tmp_path: Path) -> None:
    half_clear = Image.new("RGBA", (8, 4), (255, 0, 0, 128))
    half_clear.paste((0, 0, 255, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    half_clear.save(tmp_path / "turned.png", exif=exif)

    rows = make().encode_images([tmp_path / "turned.png", Image.open(tmp_path / "turned.png")])

    assert (rows[0] == rows[1]).all()


def test_a_file_that_cannot_be_decoded_is_an_error_that_names_it(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"")

    with pytest.raises(ImageError, match=r"broken\.png: empty file"):
        make().encode_images([pictures / "red.png", pictures / "broken.png"])


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)],
)
def test_an_array_of_another_kind_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an array \(h, w, 3\) of uint8"):
        make().encode_images([array])


def test_a_second_classifier_finds_its_labels_in_the_cache(cache_folder: Path) -> None:
    first, second = FakeEncoder(), FakeEncoder()

    rows = make(encoder=first).classifier
    again = make(encoder=second).classifier

    assert first.texts == COLOURS
    assert second.texts == []
    assert (again == rows).all()
    assert cache_folder.is_dir()


def test_a_cache_may_be_given(tmp_path: Path, cache_folder: Path) -> None:
    _ = make(cache=TextCache(tmp_path / "mine")).classifier

    assert (tmp_path / "mine").is_dir()
    assert not cache_folder.exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"labels": ["cat"]}, LabelSetError),
        ({"labels": []}, LabelSetError),
        ({"labels": ["cat", "Cat"]}, LabelSetError),
        ({"labels": "animols"}, LabelSetError),
        ({"templates": "a photo"}, TemplateError),
        ({"encoder": None, "model": "no-such-model"}, ModelError),
        ({"encoder": None, "device": "abacus"}, DeviceError),
        ({"encoder": None, "precision": "fp8"}, DeviceError),
    ],
)
def test_mistakes_are_told_at_once(
    options: dict[str, object], error: type[Exception], use_tiny_model: None
) -> None:
    with pytest.raises(error):
        make(**options)


def test_gives_the_same_as_the_command_line(
    pictures: Path, use_tiny_model: None, capfd: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.jpg").write_bytes(b"text")

    code = run(["classify", str(pictures), "-l", "cat,dog,teapot", "-f", "jsonl", "--quiet"])

    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    classifier = Classifier(labels=["cat", "dog", "teapot"])
    assert printed == [to_record(result) for result in classifier.classify([pictures])]
    assert (code, len(printed)) == (5, 4)


def test_public_names_are_there() -> None:
    for name in clipcli.__all__:
        assert getattr(clipcli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        _ = clipcli.Clasifier  # type: ignore[attr-defined]
