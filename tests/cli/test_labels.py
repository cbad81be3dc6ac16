"""``clipcli labels list|show|lint`` on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import clipcli
from clipcli.cli.app import run
from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.labels.templates import TEMPLATE_SETS
from clipcli.models.accuracy import known_accuracy

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Whether a model is there is not this file's question.
    monkeypatch.setenv("CLIPCLI_MODEL", str(tmp_path / "no-model"))
    return tmp_path


def lines(capture: Capture) -> list[str]:
    return capture.readouterr().out.splitlines()


def test_list_prints_one_set_a_line(capfd: Capture) -> None:
    code = run(["labels", "list"])

    rows = [line.split("\t") for line in lines(capfd)]
    assert code == 0
    assert [row[0] for row in rows] == list(builtin_label_sets())
    animals = load_label_set("animals")
    assert ["animals", str(len(animals.labels)), animals.description] in [row[:3] for row in rows]
    known = known_accuracy()
    assert {row[0] for row in rows if row[3].startswith("mini: right for ")} == set(known)
    assert "animals" in known


def test_list_as_json(capfd: Capture) -> None:
    run(["labels", "list", "--json"])

    sets = json.loads(capfd.readouterr().out)
    assert [one["name"] for one in sets] == list(builtin_label_sets())
    assert set(sets[0]) == {"name", "n_labels", "description", "accuracy"}
    animals = next(one for one in sets if one["name"] == "animals")
    assert set(animals["accuracy"]) == {"right", "pictures", "labels"}
    assert 0 < animals["accuracy"]["right"] < 1


def test_show_prints_names_and_synonyms(capfd: Capture) -> None:
    code = run(["labels", "show", "cat,dog|puppy|hound"])

    assert code == 0
    assert lines(capfd) == ["cat\t", "dog\tpuppy | hound"]


def test_show_adds_the_columns_that_are_used(folder: Path, capfd: Capture) -> None:
    (folder / "a.csv").write_text("label,parent,threshold\ncat,pet,0.3\ndog,,\n", "utf-8")

    run(["labels", "show", "a.csv"])

    assert lines(capfd) == ["cat\t\tpet\t0.3", "dog\t\t\t"]


def test_show_prints_every_prompt(folder: Path, capfd: Capture) -> None:
    text = "reject: [a room]\nlabels:\n- cat\n- {name: dog, prompts: [my dog]}\n"
    (folder / "a.yaml").write_text(text, "utf-8")

    run(["labels", "show", "a.yaml", "--prompts", "--templates", "a {} | the {}"])

    assert lines(capfd) == [
        "cat\ta cat", "cat\tthe cat",
        "dog\ta dog", "dog\tthe dog", "dog\tmy dog",
        "(reject)\ta room",
    ]  # fmt: skip


def test_show_as_json_has_all_keys(folder: Path, capfd: Capture) -> None:
    (folder / "a.yaml").write_text("labels: [Käse | Brie, {name: b, threshold: 0.5}]", "utf-8")

    run(["labels", "show", "a.yaml", "--json"])

    data = json.loads(capfd.readouterr().out)
    cheese, b = data.pop("labels")
    assert cheese == {
        "name": "Käse", "synonyms": ["Brie"], "prompts": [], "parent": None, "threshold": None,
        "rule": None,
    }  # fmt: skip
    assert (b["name"], b["threshold"]) == ("b", 0.5)
    assert data == {
        "name": "a",
        "description": "",
        "source": "a.yaml",
        "hash": load_label_set("a.yaml").hash,
        "templates": list(TEMPLATE_SETS["photo"]),
        "reject": [],
    }


def test_show_as_json_with_prompts_has_them_filled(capfd: Capture) -> None:
    run(["labels", "show", "a,b", "--json", "--prompts", "--templates", "plain"])

    data = json.loads(capfd.readouterr().out)
    assert [label["prompts"] for label in data["labels"]] == [["a"], ["b"]]


def test_show_of_nothing_known_is_a_usage_error(capfd: Capture) -> None:
    code = run(["labels", "show", "anmals"])

    printed = capfd.readouterr()
    assert (code, printed.out) == (2, "")
    assert printed.err.startswith("clipcli: 'anmals' is neither a label file nor a built-in")
    assert "did you mean animals?" in printed.err


def test_lint_of_a_clean_set_says_nothing(capfd: Capture) -> None:
    code = run(["labels", "lint", "animals", "vehicles"])

    assert (code, lines(capfd)) == (0, [])


def test_lint_names_file_and_line_and_exits_with_6(folder: Path, capfd: Capture) -> None:
    (folder / "a.txt").write_text("cat\ndog | cats\n", "utf-8")

    code = run(["labels", "lint", "animals", "a.txt"])

    assert code == 6
    assert lines(capfd) == ["a.txt:2: 'cats' (of 'dog') and 'cat' are the same word"]


def test_lint_goes_on_after_a_malformed_file_and_exits_with_2(folder: Path, capfd: Capture) -> None:
    (folder / "bad.txt").write_text("cat\ncat\n", "utf-8")
    (folder / "a.txt").write_text("cat\ncats\n", "utf-8")

    code = run(["labels", "lint", "bad.txt", "a.txt"])

    assert code == 2
    assert lines(capfd) == [
        "bad.txt:2: label 'cat' appears twice (first on line 1)",
        "a.txt:2: 'cats' and 'cat' are the same word",
    ]


def test_lint_without_a_model_says_what_it_left_out(capfd: Capture) -> None:
    run(["labels", "lint", "animals"])

    assert "the length of prompts was not checked" in capfd.readouterr().err


@pytest.mark.parametrize("options", [["--model", "nope"], ["--max-similarity", "0.9"]])
def test_lint_needs_the_model_that_is_asked_for(options: list[str], capfd: Capture) -> None:
    code = run(["labels", "lint", "animals", *options])

    assert code == 4
    assert capfd.readouterr().out == ""


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_columns_and_no_raw_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    run(["labels", "show", "cat|kitten, \u202edog\u202c|é, owl"])

    assert terminal.getvalue() == "cat  kitten\ndog  ?\nowl\n"


def test_neither_torch_nor_numpy_nor_rich_is_imported() -> None:
    script = (
        "import sys; from clipcli.cli.app import run; run(['labels', 'show', 'animals']);"
        "print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        encoding="utf-8",
        cwd=Path(clipcli.__file__).parent.parent,
    )

    assert done.stdout.splitlines()[-1] == "set()"
