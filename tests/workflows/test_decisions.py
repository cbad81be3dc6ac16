"""Decisions as input: what somebody said on a page wins, in every command that takes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcli.cli.app import run
from clipcli.workflows.journal.journal import journals
from tests.decisions import record, write
from tests.fakes import FakeEncoder
from tests.workflows.sorting.trees import snapshot

LABELS = ("--labels", "red,green,blue", "--templates", "plain")
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs the command line here, with arithmetic for a model."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def decisions(tmp_path: Path, pictures: Path) -> Path:
    """Return a file that calls red.png green and rejects blue.png; green.png nobody looked at."""
    records = [
        record(pictures / "red.png", "red", "green", "relabel"),
        record(pictures / "blue.png", "blue", None, "reject"),
    ]
    return write(tmp_path / "decisions.jsonl", records)


# --- classify


def test_known_answers_win_and_are_marked_in_every_format(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    files = {ending: tmp_path / f"out.{ending}" for ending in ("jsonl", "csv", "parquet", "html")}
    outputs = [part for path in files.values() for part in ("-o", path)]

    code, out, _ = cli(
        *("classify", pictures, *LABELS, "--decisions", decisions, "--format", "tsv", *outputs)
    )

    rows = {Path(row[0]).name: row[1:] for row in map(str.split, out.splitlines())}
    assert code == 0
    assert rows["red.png"] == ["green", "1", "reviewed"]
    assert rows["green.png"][0] == "green"
    assert len(rows["green.png"]) == 2
    assert out.splitlines()[0].endswith("\treviewed")  # blue.png, without a label
    told = [json.loads(line) for line in files["jsonl"].read_text("utf-8").splitlines()]
    found = {Path(one["path"]).name: one for one in told}
    assert (found["red.png"]["label"], found["red.png"]["decision"]) == ("green", "reviewed")
    assert found["red.png"]["top"][0]["label"] == "red"  # the model's own answer stays
    assert (found["blue.png"]["label"], found["blue.png"]["decision"]) == (None, "reviewed")
    assert "decision" not in found["green.png"]
    with files["csv"].open(encoding="utf-8", newline="") as file:
        cells = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert (cells["red.png"]["label"], cells["red.png"]["reason"]) == ("green", "reviewed")
    assert (cells["blue.png"]["label"], cells["blue.png"]["reason"]) == ("", "reviewed")
    page = files["html"].read_text("utf-8")
    assert page.count('"note": "reviewed"') == 2
    import pyarrow.parquet as pq

    table = pq.read_table(files["parquet"]).to_pylist()
    assert [row["decision"] for row in table].count("reviewed") == 2


def test_a_table_marks_known_answers(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    code, out, _ = cli("classify", pictures, *LABELS, "--decisions", decisions, "--format", "table")

    assert code == 0
    assert "red.png  green, reviewed" in out
    assert "blue.png  none of these, reviewed" in out


def test_known_answers_come_back_from_tsv(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    from clipcli.output.reader import read_results

    cli("classify", pictures, *LABELS, "--decisions", decisions, "-o", tmp_path / "out.tsv")

    entries = read_results(tmp_path / "out.tsv").entries
    found = {Path(one.path).name: (one.label, one.decision) for one in entries}
    assert found == {
        "red.png": ("green", "reviewed"),
        "green.png": ("green", "label"),
        "blue.png": (None, "reviewed"),
    }


def test_decisions_of_another_data_set_are_refused(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    (pictures / "red.png").unlink()
    (pictures / "blue.png").unlink()

    code, _, err = cli("classify", pictures, *LABELS, "--decisions", decisions)

    assert code == 3
    assert "none of its 2 decisions is about a picture here" in err


def test_labels_of_another_set_are_refused_before_anything_is_read(
    cli: Cli, pictures: Path, decisions: Path
) -> None:
    code, out, err = cli("classify", pictures, "--labels", "cat,dog", "--decisions", decisions)

    assert (code, out) == (2, "")
    assert "'green' is not among the labels" in err


def test_what_no_longer_matches_is_told(cli: Cli, pictures: Path, decisions: Path) -> None:
    (pictures / "blue.png").unlink()

    code, _, err = cli("classify", pictures, *LABELS, "--decisions", decisions)

    assert code == 0
    assert "1 of 2 decisions match no picture here" in err


# --- sort


def test_sort_goes_by_decisions_and_undo_takes_it_back(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    into, before = tmp_path / "sorted", snapshot(pictures)
    options = ("--decisions", decisions, "--margin", "0.99")  # leaves what nobody decided

    code, _, _ = cli("sort", pictures, "--into", into, *LABELS, *options, "--move", "--yes")
    found = sorted(str(path.relative_to(into)) for path in into.rglob("*.png"))
    left = sorted(path.name for path in pictures.iterdir())
    undone, _, _ = cli("undo", "--yes")

    assert (code, undone) == (0, 0)
    assert found == ["green/red.png"]
    assert left == ["blue.png", "green.png"]
    assert snapshot(pictures) == before


def test_sort_moves_nothing_by_decisions_of_another_data_set(
    cli: Cli, pictures: Path, decisions: Path, tmp_path: Path
) -> None:
    (pictures / "red.png").unlink()
    (pictures / "blue.png").unlink()
    before = snapshot(pictures)

    code, _, err = cli(
        *("sort", pictures, "--into", tmp_path / "sorted", *LABELS),
        *("--decisions", decisions, "--move", "--yes"),
    )

    assert code == 3
    assert "none of its 2 decisions" in err
    assert snapshot(pictures) == before
    assert journals() == []


# --- probe fit, eval and review


@pytest.fixture
def several(tmp_path: Path) -> tuple[Path, Path]:
    """Return pictures in one folder, and decisions that give eight of twelve a label."""
    from PIL import Image

    folder, records = tmp_path / "mixed", []
    folder.mkdir()
    for i, (name, colour) in enumerate((("warm", (250, 20, 10)), ("cold", (10, 30, 250)))):
        for j in range(6):
            path = folder / f"{i}{j}.png"
            shade = tuple(max(0, part - 6 * j) for part in colour)
            Image.new("RGB", (8, 6), shade).save(path)
            if j < 4:
                records.append(record(path, "red", name, "relabel"))
    records[0] = record(folder / "00.png", "red", None, "reject")
    return folder, write(tmp_path / "mixed.jsonl", records)


def test_a_probe_is_fitted_on_what_was_decided(
    cli: Cli, several: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, decisions = several
    probe = tmp_path / "probe.safetensors"

    code, _, err = cli(
        *("probe", "fit", folder, "--decisions", decisions, "--no-zero-shot", "-o", probe, "--json")
    )
    used, rows, _ = cli("classify", folder, "--probe", probe, "--format", "tsv")

    assert (code, used) == (0, 0)
    assert "1 picture left out, without a label" in err
    found = {Path(row.split("\t")[0]).name: row.split("\t")[1] for row in rows.splitlines()}
    assert {name: found[name] for name in ("04.png", "05.png", "14.png", "15.png")} == {
        "04.png": "warm",
        "05.png": "warm",
        "14.png": "cold",
        "15.png": "cold",
    }


def test_eval_judges_by_what_was_decided(cli: Cli, several: tuple[Path, Path]) -> None:
    folder, decisions = several
    options = ("--labels", "red|warm, blue|cold", "--templates", "plain", "--json")

    code, out, _ = cli("eval", folder, "--decisions", decisions, *options)

    told = json.loads(out)
    assert code == 0
    assert told["top1"]["value"] == 1.0
    assert told["n_pictures"] == 7


@pytest.mark.parametrize("command", ["probe", "eval"])
def test_decisions_about_other_pictures_are_refused(
    cli: Cli, several: tuple[Path, Path], pictures: Path, tmp_path: Path, command: str
) -> None:
    words = {"probe": ("probe", "fit"), "eval": ("eval",)}[command]
    more = ("-o", tmp_path / "p.safetensors") if command == "probe" else ()

    code, _, err = cli(*words, pictures, "--decisions", several[1], *more)

    assert code == 3
    assert "none of its 8 decisions is about a picture here" in err


def test_review_writes_a_page_with_the_least_sure_first(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("BROWSER", "some")
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    page = tmp_path / "page.html"

    code, out, _ = cli("review", pictures, *LABELS, "-o", page)
    text = page.read_text("utf-8")
    again, _, err = cli("review", pictures, *LABELS, "-o", page)

    assert (code, out) == (0, "")
    assert opened == [page.as_uri()]
    assert '"first_order": 2' in text
    assert '"begun": true' in text
    assert again == 2
    assert "exists" in err
    assert page.read_text("utf-8") == text


def test_review_without_a_screen_says_where_the_page_is(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)

    code, _, err = cli("review", pictures, *LABELS)

    assert code == 0
    assert "no browser was found: open review.html in one" in err
    assert (tmp_path / "review.html").is_file()


def test_review_opens_nothing_where_that_is_wished(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("a browser was opened"))
    monkeypatch.setenv("DISPLAY", ":0")

    code, _, _ = cli("review", pictures, *LABELS, "-o", tmp_path / "p.html", "--no-open")
    refused, _, err = cli("review", pictures, *LABELS, "-o", tmp_path / "p.csv")

    assert (code, refused) == (0, 2)
    assert "a page ends with .html" in err
