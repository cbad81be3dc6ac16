"""Calibrations on disk: found where they belong, used only for what they were fitted for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clipcli.errors import CalibrationError, OutputError
from clipcli.labels.label_set import load_label_set
from clipcli.pipeline.calibration import (
    Calibration,
    Purpose,
    find_calibration,
    read_calibrations,
    write_calibration,
)
from clipcli.pipeline.calibration_place import default_path

PURPOSE = Purpose("f" * 64, "a" * 64, ("a photo of a {}.", "{}"), "b" * 64)
CALIBRATION = Calibration(
    purpose=PURPOSE,
    model="fake",
    label_set="pets",
    logit_scale=12.5,
    logit_bias=-0.25,
    temperature=0.8,
    reject_threshold=0.75,
    n_pictures=100,
    error_before=0.2,
    error_after=0.05,
    made="2026-01-01T00:00:00+00:00",
)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pets.txt.calibration.json"

    write_calibration(path, CALIBRATION)

    assert read_calibrations(path) == [CALIBRATION]
    assert find_calibration(path, PURPOSE) == (CALIBRATION, "")
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_second_model_has_its_own_and_a_second_fit_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    other = replace(CALIBRATION, purpose=replace(PURPOSE, fingerprint="e" * 64), temperature=3.0)
    again = replace(CALIBRATION, temperature=1.5)

    for one in (CALIBRATION, other, again):
        write_calibration(path, one)

    assert sorted(one.temperature for one in read_calibrations(path)) == [1.5, 3.0]
    assert find_calibration(path, PURPOSE)[0] == again
    assert find_calibration(path, other.purpose)[0] == other


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fingerprint": "0" * 64}, "another model"),
        ({"label_set_hash": "0" * 64}, "label set is not the one"),
        ({"templates": ("{}",)}, "other templates"),
        ({"neutral_hash": "0" * 64}, "neutral words"),
    ],
)
def test_another_purpose_is_not_served_and_the_reason_is_told(
    changes: dict[str, str | tuple[str, ...]], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    write_calibration(path, CALIBRATION)

    found, told = find_calibration(path, replace(PURPOSE, **changes))  # type: ignore[arg-type]

    assert found is None
    assert reason in told


def test_of_several_reasons_the_one_for_this_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_calibration(path, CALIBRATION)
    write_calibration(path, replace(CALIBRATION, purpose=replace(PURPOSE, fingerprint="e" * 64)))

    _, told = find_calibration(path, replace(PURPOSE, templates=("{}",)))

    assert "other templates" in told


def test_where_nothing_was_fitted_there_is_no_reason_to_tell(tmp_path: Path) -> None:
    assert find_calibration(tmp_path / "none.json", PURPOSE) == (None, "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        '{"format": 1}',
        '{"format": 1, "calibrations": [{}]}',
        '{"format": 1, "calibrations": 5}',
        '{"format": 2, "calibrations": []}',
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_file_that_clipcli_did_not_write_is_refused_and_left_alone(
    text: str | bytes, tmp_path: Path
) -> None:
    path = tmp_path / "labels.yaml"
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(content)

    with pytest.raises(CalibrationError, match=r"labels\.yaml"):
        read_calibrations(path)
    with pytest.raises(CalibrationError):
        write_calibration(path, CALIBRATION)
    assert find_calibration(path, PURPOSE)[0] is None
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("logit_scale", 0),
        ("logit_scale", "12"),
        ("temperature", -1),
        ("logit_bias", True),
        ("reject_threshold", float("nan")),
        ("reject_threshold", float("inf")),
        ("model", 7),
        ("n_pictures", None),
    ],
)
def test_numbers_that_are_none_are_refused(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_calibration(path, CALIBRATION)
    told = json.loads(path.read_text(encoding="utf-8"))
    told["calibrations"][0][key] = value
    path.write_text(json.dumps(told), encoding="utf-8")

    with pytest.raises(CalibrationError):
        read_calibrations(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(OutputError, match="could not be written"):
        write_calibration(tmp_path / "file" / "c.json", CALIBRATION)


def test_a_label_file_has_it_beside_itself(tmp_path: Path) -> None:
    file = tmp_path / "pets.txt"
    file.write_text("cat\ndog\n", encoding="utf-8")

    assert default_path(load_label_set(str(file))) == tmp_path / "pets.txt.calibration.json"


def test_other_sets_have_it_in_the_configuration_each_its_own() -> None:
    specs = ("animals", "weather", "cat, dog", "dog, cat")
    paths = [default_path(load_label_set(spec)) for spec in specs]

    assert len(set(paths)) == 4
    assert paths[0].name == "animals.calibration.json"
    assert {path.parent.name for path in paths} == {"calibrations"}
