"""``clipcli eval`` as a user meets it, with arithmetic for a model."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.models.config import ModelConfig
from tests.conftest import COLOURS
from tests.fakes import FakeEncoder, fake_config

KEYS = {
    "version",
    "source",
    "n_pictures",
    "top1",
    "top5",
    "mean_per_class",
    "calibration_error",
    "mean_probability",
    "reliability",
    "coverage",
    "decided",
    "labels",
    "confusion",
    "out_of_set",
    "calibration",
    "comparisons",
    "skipped",
    "provenance",
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Outcome]


def config(**changes: object) -> ModelConfig:
    """Return the settings of a model whose prompts are the labels themselves."""
    return fake_config(templates=("{}",), **changes)


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    fake_model.config = config()

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    return call


def paint(folder: Path, colour: tuple[int, int, int], n: int, seed: int = 0) -> None:
    """Write n pictures of about that colour, each a little different."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(n):
        shade = np.clip(np.array(colour) + generator.integers(-40, 40, 3), 0, 255)
        Image.new("RGB", (6, 6), tuple(map(int, shade))).save(folder / f"{i}.png")


def swap(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with five pictures each in red, green and blue, two of them put wrongly."""
    top = tmp_path / "tree"
    for i, (name, colour) in enumerate(COLOURS.items()):
        paint(top / name, colour, 5, i)
    for name, other in (("red", "blue"), ("green", "red")):
        (top / name / "4.png").write_bytes((top / other / "3.png").read_bytes())
    return top


def test_json_has_the_documented_keys_and_the_right_counts(cli: Cli, tree: Path) -> None:
    outcome = cli("eval", tree, "--format", "json")

    told = outcome.data
    assert outcome.code == 0
    assert set(told) == KEYS
    assert told["n_pictures"] == 15
    assert told["top1"]["value"] == pytest.approx(13 / 15, abs=1e-5)
    assert told["confusion"]["labels"] == ["blue", "green", "red"]
    assert told["confusion"]["counts"] == [[5, 0, 0], [0, 4, 1], [1, 0, 4]]
    assert [label["recall"] for label in told["labels"]] == [1.0, 0.8, 0.8]
    assert [label["often"] for label in told["labels"]] == [None, "red", "blue"]
    assert told["top5"] is None  # of three labels, five are always right


def test_in_a_pipe_there_is_one_figure_a_line(cli: Cli, tree: Path) -> None:
    lines = [line.split("\t") for line in cli("eval", tree).out.splitlines()]

    figures = {line[0]: line[1:] for line in lines}
    assert figures["pictures"] == ["15"]
    assert figures["top-1"][0] == "0.866667"
    assert len(figures["top-1"]) == 3


def test_the_same_pictures_give_the_same_report(cli: Cli, tree: Path) -> None:
    first, second = (cli("eval", tree, "--out-of-set", tree).out for _ in range(2))

    assert first == second


def test_answers_of_classify_are_told_from_the_truth(cli: Cli, tree: Path) -> None:
    answers, truth = tree.parent / "answers.csv", tree.parent / "truth.csv"
    cli("classify", tree, "--labels", "blue, green, red", "-o", answers)
    cells = [line.split(",")[:3] for line in answers.read_text("utf-8").splitlines()]
    truth.write_text("".join(f"{path},{label}\n" for path, _, label in cells), encoding="utf-8")

    said = [cli("eval", table).err.splitlines()[0] for table in (answers, truth)]

    assert said[0] == (
        f"clipcli: {answers}: 3 classes (blue, green, red); these labels are what classify answered"
    )
    assert said[1] == f"clipcli: {truth}: 3 classes (blue, green, red)"


def test_the_order_of_inputs_in_a_table_changes_nothing(cli: Cli, tree: Path) -> None:
    rows = [f"{path.relative_to(tree)},{path.parent.name}" for path in sorted(tree.glob("*/*"))]
    forwards, backwards = tree / "forwards.csv", tree / "backwards.csv"
    forwards.write_text("path,label\n" + "\n".join(rows), encoding="utf-8")
    backwards.write_text("path,label\n" + "\n".join(rows[::-1]), encoding="utf-8")

    outs = [cli("eval", source).out for source in (tree, forwards, backwards)]

    assert outs[0] == outs[1] == outs[2]


def test_broken_pictures_and_empty_classes_are_told_and_the_rest_is_judged(
    cli: Cli, tree: Path
) -> None:
    (tree / "red" / "broken.png").write_bytes(b"no picture")
    (tree / "purple_grey").mkdir()
    (tree / "loose.png").write_bytes((tree / "red" / "0.png").read_bytes())

    outcome = cli("eval", tree, "--format", "json")

    told = outcome.data
    assert outcome.code == 5
    assert [Path(one["path"]).name for one in told["skipped"]] == ["broken.png"]
    assert told["n_pictures"] == 15
    assert "class 'purple_grey' has no pictures" in outcome.err
    assert "1 picture left out that are in no class" in outcome.err
    (empty,) = [label for label in told["labels"] if label["label"] == "purple grey"]
    assert (empty["n"], empty["recall"], empty["f1"]) == (0, None, None)
    assert told["mean_per_class"]["value"] == pytest.approx(13 / 15, abs=1e-5)


def test_a_class_of_one_picture_is_judged(cli: Cli, tree: Path) -> None:
    paint(tree / "rgb", (250, 0, 0), 1)

    told = cli("eval", tree, "--calibrate", "--format", "json").data

    assert [label["n"] for label in told["labels"]] == [5, 5, 5, 1]


def test_labels_beyond_the_classes_stand_for_confusion(cli: Cli, tree: Path) -> None:
    told = cli("eval", tree, "-l", "red | scarlet, green, blue, rede", "-f", "json").data

    names = told["confusion"]["labels"]
    counts = np.array(told["confusion"]["counts"])
    assert names == ["red", "green", "blue", "rede"]
    assert counts[3].sum() == 0
    assert counts.sum() == 15


@pytest.mark.parametrize(
    ("options", "code", "fact"),
    [
        (["-l", "red,green"], 2, "no label for 1 of 3 classes"),
        (["--compare", "size=3"], 2, "'size' is nothing to compare"),
        (["--compare", "templates="], 2, "templates has no value"),
        (["--compare", "templates=plain; templates=photo"], 2, "templates is given twice"),
        (["--compare", "labels=red,blue"], 2, "no label for 1 of 3 classes"),
        (["--format", "xml"], 2, "unknown format"),
        (["-o", "report.pdf"], 2, "no format is known"),
        (["--confusion", "c.json"], 2, "is a CSV file"),
        (["-o", "same.csv", "--confusion", "same.csv"], 2, "named twice"),
        (["--out-of-set", "nowhere"], 3, "no such file or folder"),
        (["--reject-threshold", "1.5"], 2, "neither a number from 0 to 1"),
        (["--reject-threshold", "fitted"], 2, "nothing was fitted"),
        (["--calibration", "nowhere.json"], 2, "no such calibration"),
        (["--calibration", "x.json", "--no-calibration"], 2, "one excludes the other"),
    ],
)
def test_mistakes_are_one_clear_line_and_no_picture_is_read(
    options: list[str], code: int, fact: str, cli: Cli, tree: Path, fake_model: FakeEncoder
) -> None:
    outcome = cli("eval", tree, *options)

    assert outcome.code == code
    assert fact in outcome.err
    assert "Traceback" not in outcome.err
    assert len([line for line in outcome.err.splitlines() if not line.startswith("  hint")]) == 1
    assert fake_model.batches == []


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda top: None, "no such file"),
        (lambda top: top.mkdir(), "has no folders"),
        (lambda top: (top / "cat").mkdir(parents=True), "is the only class"),
        (lambda top: [(top / n).mkdir(parents=True) for n in "ab"], "no pictures found"),
    ],
)
def test_what_is_no_class_tree_is_refused(
    make: Callable[[Path], object], fact: str, cli: Cli, tmp_path: Path
) -> None:
    make(tmp_path / "top")

    outcome = cli("eval", tmp_path / "top")

    assert outcome.code in (2, 3)
    assert fact in outcome.err


def test_files_hold_the_whole_matrix_and_every_picture(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    matrix, pictures, labels = (tmp_path / f"{n}.csv" for n in ("matrix", "pictures", "labels"))

    outcome = cli("eval", tree, "-o", labels, "--confusion", matrix, "--pictures", pictures)

    assert (outcome.code, outcome.out) == (0, "")
    assert read(matrix)[0] == {"true": "blue", "blue": "5", "green": "0", "red": "0"}
    assert [row["recall"] for row in read(labels)] == ["1", "0.8", "0.8"]
    wrong = [row for row in read(pictures) if row["true_rank"] != "1"]
    assert [Path(row["path"]).parts[-2:] for row in wrong] == [("green", "4.png"), ("red", "4.png")]
    again = cli("eval", tree, "-o", labels)
    assert (again.code, "already exists" in again.err) == (2, True)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"))))


def test_a_rival_is_judged_on_the_same_pictures(cli: Cli, tree: Path) -> None:
    swapped = "red | green, green | red, blue"

    told = cli("eval", tree, "--compare", "templates=single", "--compare", f"labels={swapped}",
               "-f", "json").data  # fmt: skip

    same, other = told["comparisons"]
    assert (same["name"], same["difference"]["value"], same["p_value"]) == (
        "templates=single",
        0.0,
        1.0,
    )
    assert other["only_first"] > other["only_second"]
    assert other["difference"]["value"] == pytest.approx(
        other["top1"]["value"] - told["top1"]["value"], abs=1e-5
    )


def test_out_of_set_pictures_are_told_from_the_set(cli: Cli, tree: Path, tmp_path: Path) -> None:
    paint(tmp_path / "grey", (120, 120, 120), 8, 9)

    told = cli("eval", tree, "--out-of-set", tmp_path / "grey", "-f", "json").data["out_of_set"]

    assert told["n_pictures"] == 8
    assert set(told["scores"]) == {
        "reject score",
        "1 - highest similarity",
        "1 - highest probability",
    }
    assert told["scores"]["1 - highest similarity"]["auroc"] > 0.9
    assert [one["kept"] for one in told["thresholds"]] == sorted(
        (one["kept"] for one in told["thresholds"]), reverse=True
    )


def test_a_page_holds_the_report_and_runs_no_text_of_users(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    (tree / "red").rename(tree / "<script>alert(1)<img src=x>")

    outcome = cli("eval", tree, "-o", tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert outcome.code == 0
    assert "Can probabilities be believed?" in page
    assert "&lt;script&gt;alert(1)&lt;img src=x&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.skipif(os.name == "nt", reason="names of this kind exist on POSIX only")
def test_names_with_control_characters_are_made_visible(cli: Cli, tree: Path) -> None:
    (tree / "red").rename(tree / "r\x1b[31md\nx")

    table = cli("eval", tree, "--format", "table")

    assert table.code == 2  # no label can have such a name
    assert "\x1b" not in table.err
    assert "\\x1b[31m" in table.err


def test_calibrating_makes_probabilities_come_true_and_classify_uses_it(
    cli: Cli, tmp_path: Path, fake_model: FakeEncoder
) -> None:
    fake_model.config = config(logit_scale=500.0)  # certain, and wrong in one of three
    tree = tmp_path / "tree"
    paint(tree / "red", COLOURS["red"], 12)
    paint(tree / "blue", COLOURS["blue"], 12)
    for i in range(4):
        swap(tree / "red" / f"{i}.png", tree / "blue" / f"{i}.png")
    labels = tmp_path / "colours.txt"
    labels.write_text("red\nblue\n", encoding="utf-8")
    picture = tree / "red" / "0.png"
    before = json.loads(cli("classify", picture, "-l", labels, "-f", "jsonl").out)

    told = cli("eval", tree, "-l", labels, "--calibrate", "-f", "json").data["calibration"]
    outcome = cli("classify", picture, "-l", labels, "-o", tmp_path / "r.json")

    assert told["calibration_error_before"] == pytest.approx(1 / 3, abs=0.01)
    assert told["calibration_error_after"] < 0.25
    assert Path(told["file"]) == tmp_path / "colours.txt.calibration.json"
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    provenance = result["provenance"]
    assert provenance["probability_kind"] == "calibrated"
    assert provenance["temperature"] == pytest.approx(told["temperature"], rel=1e-5)
    assert result["results"][0]["probability"] != before["probability"]
    assert result["results"][0]["label"] == before["label"]
    assert outcome.err.count("calibrated") == 1


def test_a_calibration_is_used_for_nothing_else_and_the_reason_is_one_line(
    cli: Cli, tree: Path, tmp_path: Path, fake_model: FakeEncoder
) -> None:
    labels = tmp_path / "colours.txt"
    labels.write_text("red\ngreen\nblue\n", encoding="utf-8")
    cli("eval", tree, "-l", labels, "--calibrate", "-q")
    path = tree / "red" / "0.png"
    plain = cli("classify", path, "-l", labels, "--no-calibration")

    templates = cli("classify", path, "-l", labels, "--templates", "single")
    fake_model.config = config(fingerprint="e" * 64)
    model = cli("classify", path, "-l", labels)
    labels.write_text("red\ngreen\nblue\nyellow\n", encoding="utf-8")
    fake_model.config = config()
    changed = cli("classify", path, "-l", labels)
    (tmp_path / "colours.txt.calibration.json").write_text("{", encoding="utf-8")
    damaged = cli("classify", path, "-l", labels)

    assert plain.err == ""
    reasons = [outcome.err.strip() for outcome in (templates, model, changed, damaged)]
    for reason, fact in zip(
        reasons, ("other templates", "another model", "label set is not", "wrote"), strict=True
    ):
        assert len(reason.splitlines()) == 1
        assert "is not used: " in reason
        assert fact in reason
    assert model.out == plain.out


def test_a_calibration_of_classes_serves_the_same_labels_inline(cli: Cli, tree: Path) -> None:
    outcome = cli("eval", tree, "--calibrate")

    used = cli("classify", tree / "red" / "0.png", "-l", "blue,green,red")
    other = cli("classify", tree / "red" / "0.png", "-l", "red,green,blue")

    assert "in this order: blue, green, red" in outcome.err
    assert "calibrated" in used.err
    assert other.err == ""


def test_a_fitted_threshold_rejects_what_is_not_of_the_set(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    paint(tmp_path / "grey", (128, 128, 128), 4, 9)
    fit = tmp_path / "fit.json"
    cli("eval", tree, "--calibrate", "--calibration", fit)

    options = ("-l", "blue,green,red", "--calibration", fit, "--reject-threshold", "fitted")
    records = [json.loads(line) for line in
               cli("classify", tmp_path / "grey", tree / "red", *options, "-f", "jsonl")
               .out.splitlines()]  # fmt: skip

    threshold = json.loads(fit.read_text(encoding="utf-8"))["calibrations"][0]["reject_threshold"]
    assert len(records) == 9
    for record in records:
        is_out = record["reject_score"] > threshold
        assert (record.get("decision") == "rejected") == is_out
        assert (record["label"] is None) == is_out


def test_a_sigmoid_model_is_judged_and_calibrated(
    cli: Cli, tree: Path, fake_model: FakeEncoder
) -> None:
    fake_model.config = config(scoring="sigmoid", logit_scale=30.0, logit_bias=-20.0)

    told = cli("eval", tree, "--calibrate", "--out-of-set", tree, "--format", "json").data

    assert told["top1"]["value"] == pytest.approx(13 / 15, abs=1e-5)
    assert told["provenance"]["probability_kind"] == "sigmoid"
    assert told["calibration"]["logit_bias"] != -20
    assert told["out_of_set"]["scores"]["reject score"]["auroc"] == 0.5  # the same pictures


@pytest.mark.parametrize("spell", ["{}/", ".", "{}/../tree"])
def test_a_tree_may_be_named_in_several_ways(
    spell: str, cli: Cli, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = cli("eval", tree).out
    monkeypatch.chdir(tree)

    assert cli("eval", spell.format(tree)).out == expected


def test_splits_are_judged_together_and_one_by_its_folder(cli: Cli, tree: Path) -> None:
    both = tree.parent / "both"
    both.mkdir()
    tree.rename(both / "test")
    paint(both / "train" / "red", COLOURS["red"], 2)

    together, one = cli("eval", both), cli("eval", both / "test")

    assert together.out.startswith("pictures\t17\n")
    assert "splits are judged together: test, train" in together.err
    assert one.out.startswith("pictures\t15\n")


def test_a_label_file_with_a_very_long_name_has_no_calibration_and_no_trouble(
    cli: Cli, tree: Path, tmp_path: Path
) -> None:
    labels = tmp_path / f"{'x' * 245}.txt"
    labels.write_text("red\ngreen\nblue\n", encoding="utf-8")

    used = cli("classify", tree / "red" / "0.png", "-l", labels)
    fitted = cli("eval", tree, "-l", labels, "--calibrate")

    assert used.code == 0
    assert fitted.code == 3
    assert "--calibration FILE" in fitted.err


def test_too_few_pictures_are_not_calibrated(cli: Cli, tmp_path: Path) -> None:
    paint(tmp_path / "tree" / "red", (255, 0, 0), 2)
    paint(tmp_path / "tree" / "blue", (0, 0, 255), 2)

    outcome = cli("eval", tmp_path / "tree", "--calibrate")

    assert outcome.code == 3
    assert "4 pictures are too few to calibrate" in outcome.err
