"""The benchmarks are run by hand; here only: they are all there, and count as they should."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image, ImageColor

FOLDER = Path(__file__).parent / "benchmarks"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_section_has_its_script() -> None:
    named = set(re.findall(r"bench_\w+\.py", (FOLDER / "run_all.py").read_text("utf-8")))

    assert len(named) >= 8
    assert {name for name in named if not (FOLDER / name).exists()} == set()


def test_a_ratio_is_the_median_of_the_rounds_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = load("measure", monkeypatch)
    done = [{"a": 6.0, "b": 2.0}, {"a": 10.0, "b": 10.0}, {"a": 8.0, "b": 4.0}, {"b": 1.0}]

    assert measure.ratio(done, "a", "b") == "2.00 (1.00 to 3.00)"
    assert measure.ratio(done, "a", "missing") == ""
    assert measure.column(done, "a") == [6.0, 10.0, 8.0]


def test_rounds_are_kept_and_added_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure = load("measure", monkeypatch)
    kept = tmp_path / "rounds.json"
    measure.rounds({"a": lambda: 1.0}, 2, kept)

    done = measure.rounds({"b": lambda: 2.0}, 1, kept)

    assert done == [{"a": 1.0}, {"a": 1.0}, {"b": 2.0}]


def test_a_program_that_fails_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = load("measure", monkeypatch)

    with pytest.raises(SystemExit, match="no such thing"):
        measure.run([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_pictures_are_made_once_and_each_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inputs = load("inputs", monkeypatch)

    folder = inputs.pictures(inputs.TINY, 3, tmp_path)
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = inputs.pictures(inputs.TINY, 3, tmp_path)

    assert {path.name: path.stat().st_mtime_ns for path in again.iterdir()} == made
    assert len({path.read_bytes() for path in folder.iterdir()}) == 3


def test_results_keep_a_part_for_each_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    run_all = load("run_all", monkeypatch)
    one, two = "# On one core\n\nfast\n", "# On two cores\n\nfaster\n"

    results = run_all.with_part(run_all.with_part("", one), two)
    renewed = run_all.with_part(results, "# On one core\n\nfaster still\n")

    assert results.endswith(one + "\n" + two)
    assert renewed.endswith("# On one core\n\nfaster still\n\n" + two)
    assert renewed.count("# Results") == 1


def test_an_interval_of_a_share_is_wilsons(monkeypatch: pytest.MonkeyPatch) -> None:
    pointing = load("bench_pointing", monkeypatch)

    few = pointing.wilson_interval(10, 10)
    some = pointing.wilson_interval(15, 148)

    # 10 / (10 + 1.96^2); Newcombe 1998 (Statistics in Medicine 17, p. 867), method 3
    assert few == (pytest.approx(0.7225, abs=1e-4), pytest.approx(1))
    assert some == (pytest.approx(0.0624, abs=1e-4), pytest.approx(0.1605, abs=1e-4))


def test_a_mosaic_asks_for_all_classes_or_for_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pointing = load("bench_pointing", monkeypatch)
    colours = ("red", "green", "blue", "white", "black")
    for colour in colours:
        (tmp_path / colour).mkdir()
        Image.new("RGB", (8, 6), colour).save(tmp_path / colour / "1.png")
    classes = pointing.read_classes(str(tmp_path))

    (own,) = pointing.mosaics("colours", classes, 2, 1, ask_all=()).scenes
    (every,) = pointing.mosaics("colours", classes, 2, 1, ask_all=tuple(classes)).scenes

    assert sorted(own.asked) == sorted(own.places)
    assert sorted(every.asked) == sorted(colours)
    for scene in (own, every):
        for colour, [(left, top, right, bottom)] in scene.places.items():
            tile = scene.picture.crop((left, top, right, bottom))
            assert tile.getcolors() == [(tile.width * tile.height, ImageColor.getrgb(colour))]
