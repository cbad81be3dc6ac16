"""Label files: four grammars that say the same, and errors that name the file and the line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clipcli.errors import ClipcliError, LabelSetError
from clipcli.labels.files import read_label_file
from clipcli.labels.label import Label, LabelDocument
from clipcli.labels.label_set import LabelSet


def read(folder: Path, name: str, content: str | bytes) -> LabelDocument:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_label_file(path)


def refusal(folder: Path, name: str, content: str | bytes) -> ClipcliError:
    with pytest.raises(ClipcliError) as caught:
        read(folder, name, content)
    assert caught.value.message.startswith(str(folder / name))
    return caught.value


def test_txt_reads_one_label_a_line_with_synonyms(tmp_path: Path) -> None:
    text = "# Pets\n\ncat\n  dog | puppy |hound  \nC# book, red\n# the end\n"

    document = read(tmp_path, "pets.txt", text)

    assert document.labels == (
        Label("cat"),
        Label("dog", ("puppy", "hound")),
        Label("C# book, red"),
    )
    assert [label.line for label in document.labels] == [3, 4, 5]
    assert document.description == "Pets"


@pytest.mark.parametrize(
    "raw",
    [b"cat\ndog\n", b"cat\r\ndog\r\n", b"cat\rdog", b"\xef\xbb\xbfcat\ndog", b"cat\n\n\ndog"],
)
def test_txt_accepts_every_line_end_and_a_byte_order_mark(tmp_path: Path, raw: bytes) -> None:
    document = read(tmp_path, "a.txt", raw)

    assert [label.name for label in document.labels] == ["cat", "dog"]


def test_yaml_reads_all_keys(tmp_path: Path) -> None:
    text = """
        name: dogs
        description: Dogs and one cat
        templates: ["a {}", "the {}"]
        reject: [an empty room]
        labels:
          - cat | kitty
          - name: "dog | not a synonym"
            synonyms: [puppy]
            prompts: ["a dog, running"]
            parent: animal
            threshold: 0.25
    """

    document = read(tmp_path, "a.yaml", text)

    assert document == LabelDocument(
        labels=(
            Label("cat", ("kitty",)),
            Label("dog | not a synonym", ("puppy",), ("a dog, running",), "animal", 0.25),
        ),
        name="dogs",
        description="Dogs and one cat",
        templates=("a {}", "the {}"),
        reject=("an empty room",),
    )
    assert [label.line for label in document.labels] == [7, 8]


def test_scalars_stay_the_text_that_was_written(tmp_path: Path) -> None:
    words = ["no", "1.0", "2024-01-01", "0x10", "null", "~", "1_000", "on", ".inf", "12e3"]

    from_yaml = read(tmp_path, "a.yaml", "".join(f"- {word}\n" for word in words))
    from_json = read(tmp_path, "a.json", "[1.0, true, 10, 1e3]")

    assert [label.name for label in from_yaml.labels] == words
    assert [label.name for label in from_json.labels] == ["1.0", "true", "10", "1e3"]


def test_csv_reads_columns_in_any_order(tmp_path: Path) -> None:
    text = (
        "threshold,Label,prompts,synonyms,parent\r\n"
        '0.5,"dog, big",a dog|my dog,puppy | hound,pet\r\n'
        ",cat,,,\r\n"
        ",,,,\r\n"
    )

    document = read(tmp_path, "a.csv", text)

    assert document.labels == (
        Label("dog, big", ("puppy", "hound"), ("a dog", "my dog"), "pet", 0.5),
        Label("cat"),
    )


def test_csv_line_counts_line_ends_inside_of_quotes(tmp_path: Path) -> None:
    text = 'label,prompts\n"cat","one\n| two"\ndog,\n"",x\n'

    error = refusal(tmp_path, "a.csv", text)

    assert error.message.endswith(":5: empty label")


def test_templates_may_be_a_named_set_one_or_none(tmp_path: Path) -> None:
    named = read(tmp_path, "a.yaml", "templates: plain\nlabels: [a]")
    one = read(tmp_path, "b.yaml", "templates: a drawing of a {}\nlabels: [a]")
    none = read(tmp_path, "c.yaml", "templates: []\nlabels: [a]")
    silent = read(tmp_path, "d.yaml", "templates:\nlabels: [a]")

    assert named.templates == ("{}",)
    assert one.templates == ("a drawing of a {}",)
    assert none.templates == ()
    assert silent.templates is None


@pytest.mark.parametrize(
    ("name", "content", "line", "fact"),
    [
        ("a.txt", "cat\n| dog\n", 2, "empty label"),
        ("a.txt", "cat\ndog |\n", 2, "empty synonym"),
        ("a.txt", "cat\nd\x0bog", 2, "U+000B"),
        ("a.txt", "cat\nd\u2028og", 2, "U+2028"),
        ("a.yaml", "labels:\n- cat\n-\n", 3, "empty label"),
        ("a.yaml", 'labels:\n- cat\n- ""\n', 3, "empty label"),
        ("a.yaml", "labels:\n- [cat\n- dog", 3, "malformed YAML"),
        ("a.yaml", "labels:\n- [cat\n- dog", 3, "begun on line 2"),
        ("a.yaml", "labels:\n- cat\n- dog: big\n", 3, "unknown key 'dog'"),
        ("a.yaml", "labels:\n- cat\nlabels:\n- dog\n", 3, "twice (first on line 1)"),
        ("a.yaml", "labels:\n- &a cat\n- *a\n", 2, "&a is YAML's anchor or alias"),
        ("a.yaml", "labels:\n- cat\n- *star\n", 3, "*star is YAML's anchor or alias"),
        ("a.yaml", "labels:\n- !!python/name:os.system x\n", 2, "is a YAML tag"),
        ("a.yaml", "- cat\n---\n- dog\n", 2, "a second document"),
        ("a.yaml", "- é\n- d\x07g\n", 2, "malformed YAML"),
        ("a.yaml", "- |\n  cat\n  dog\n", 1, "U+000A"),
        ("a.yaml", "label:\n- cat\n", 1, "unknown key 'label'"),
        ("a.yaml", "labels: cat\n", 1, "must be a list"),
        ("a.yaml", "labels:\n- [cat, kitty]\n", 2, "not a list"),
        ("a.yaml", "labels:\n- parent: pet\n", 2, "has no 'name'"),
        ("a.yaml", "labels:\n- name: cat\n  threshold: 1.5\n", 3, "threshold '1.5'"),
        ("a.yaml", "labels:\n- name: cat\n  threshold: [1]\n", 3, "threshold must be a text"),
        ("a.yaml", "labels:\n- name: cat\n  rule: screenshots\n", 3, "no rule 'screenshots'"),
        ("a.csv", "label,rule\ncat,photo\n", 2, "no rule 'photo'"),
        ("a.yaml", "labels:\n- name: cat\n  prompts: [a, {b: c}]\n", 3, "prompt must be a text"),
        ("a.yaml", "? [a]\n: b\n", 1, "a key must be a word"),
        ("a.yaml", "labels: [cat]\ntemplates: phot\n", 2, "no template set named 'phot'"),
        ("a.yaml", "labels: [cat]\ntemplates:\n- a {}\n- a cat\n", 4, "template 'a cat' has no {}"),
        ("a.json", '["cat",\n]', 2, "malformed JSON"),
        ("a.json", '{"labels": ["cat"],\n"labels": []}', 2, "'labels' appears twice"),
        ("a.json", '["cat",\n""]', 2, "empty label"),
        ("a.json", '["cat", null]', 1, "empty label"),
        ("a.json", '["cat",\n\n"\\ud800"]', 3, "U+D800"),
        ("a.json", '[{"name": "cat",\n"threshold":\n"high"}]', 3, "threshold 'high'"),
        ("a.json", "", 1, "malformed JSON"),
        ("a.csv", "label,parent\ncat,pet,0.3\n", 2, "3 cells under 2 columns"),
        ("a.csv", "labels\ncat\n", 1, "unknown column 'labels'"),
        ("a.csv", "label;synonyms\ncat;x\n", 1, "unknown column"),
        ("a.csv", "label,parent,parent\n", 1, "'parent' appears twice"),
        ("a.csv", "parent\npet\n", 1, "no column 'label'"),
        ("a.csv", "", 1, "no column 'label'"),
        ("a.csv", "label,threshold\ncat,30%\n", 2, "threshold '30%'"),
        ("a.csv", 'label\ncat\n"dog"s\n', 3, "malformed CSV"),
    ],
)  # fmt: skip
def test_refusal_names_file_and_line(
    tmp_path: Path, name: str, content: str, line: int, fact: str
) -> None:
    error = refusal(tmp_path, name, content)

    assert error.message.startswith(f"{tmp_path / name}:{line}: ")
    assert fact in error.message
    assert error.exit_code == 2


@pytest.mark.parametrize(
    "written", ["-0.1", "1.01", "nan", "inf", "0,5", "1_0", "٠.٥", "half", "1e999"]
)
def test_threshold_must_be_a_number_from_0_to_1(tmp_path: Path, written: str) -> None:
    error = refusal(tmp_path, "a.yaml", f'- name: cat\n  threshold: "{written}"\n')

    assert "is not a number from 0 to 1" in error.message


def test_rules_are_read_from_every_form_and_suggested(tmp_path: Path) -> None:
    forms = {
        "a.yaml": "- {name: shot, rule: screenshot}\n- cat\n",
        "a.json": '[{"name": "shot", "rule": "screenshot"}, "cat"]',
        "a.csv": "label,rule\nshot,screenshot\ncat,\n",
    }

    for name, content in forms.items():
        (tmp_path / name).write_text(content, "utf-8")
        labels = read_label_file(tmp_path / name).labels
        assert [label.rule for label in labels] == ["screenshot", None]
    hint = refusal(tmp_path, "b.csv", "label,rule\nshot,screenshots\n").hint
    assert hint == (
        "did you mean 'screenshot'? the rules are screenshot, scan, document, photograph"
    )


def test_unknown_key_comes_with_a_suggestion(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.yaml", "labels:\n- name: cat\n  treshold: 0.5\n")

    assert error.hint is not None
    assert "did you mean 'threshold'?" in error.hint


@pytest.mark.parametrize(
    ("raw", "fact"),
    [
        ("Käse\nBrot\n".encode("utf-16"), "a.txt:1: is UTF-16"),
        ("cat\nKäse\n".encode("latin-1"), "a.txt:2: byte 6 (0xe4) is not UTF-8"),
        ("cat\r\nKäse\r\n".encode("cp1252"), "a.txt:2: byte 7 (0xe4) is not UTF-8"),
        ("\ufeffcat\n".encode() + b"K\xe4se", "a.txt:2: byte 9 (0xe4) is not UTF-8"),
        ("cat\ndog\n".encode("utf-16-le"), "a.txt:1: contains NUL"),
        (b"\x89PNG\r\n\x1a\n", "a.txt:1: byte 1 (0x89) is not UTF-8"),
    ],
)
def test_other_encodings_are_refused_with_the_place(tmp_path: Path, raw: bytes, fact: str) -> None:
    error = refusal(tmp_path, "a.txt", raw)

    assert fact in error.message
    assert error.hint is not None
    assert "save it as UTF-8" in error.hint


def test_alias_bomb_is_refused_at_its_first_anchor(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )

    error = refusal(tmp_path, "a.yaml", bomb)

    assert error.message.endswith(":1: &a is YAML's anchor or alias")


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("is_closed", [True, False])
def test_deep_nesting_is_an_error_and_no_crash(tmp_path: Path, name: str, is_closed: bool) -> None:
    content = "[" * 50_000 + "]" * 50_000 * is_closed

    error = refusal(tmp_path, name, content)

    assert isinstance(error, LabelSetError)


def test_a_file_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcli.labels.files.MAX_BYTES", 1024**2)

    error = refusal(tmp_path, "a.txt", b"x\n" * 1024**2)

    assert "larger than 1 MB" in error.message


def test_a_hundred_thousand_labels_are_read(tmp_path: Path) -> None:
    document = read(tmp_path, "a.txt", "".join(f"thing {i}\n" for i in range(100_000)))

    assert document.labels[-1] == Label("thing 99999")


def test_an_ending_that_is_no_grammar_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, "cat.jpg", b"\xff\xd8")

    assert "is not a label file (.jpg)" in error.message


@pytest.mark.parametrize("loader", ["in C", "in Python"])
def test_both_yaml_parsers_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: str
) -> None:
    if loader == "in Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)

    document = read(tmp_path, "a.yaml", "labels:\n- 1.0\n- {name: 'no', parent: x}\n- 🐶 é\n")
    error = refusal(tmp_path, "b.yaml", "labels:\n- é\n- 'cat\n")
    control = refusal(tmp_path, "c.yaml", "- éé\n- d\x07g\n")

    assert document.labels == (Label("1.0"), Label("no", parent="x"), Label("🐶 é"))
    assert "malformed YAML" in error.message
    assert ":2: malformed YAML" in control.message


# A word that every grammar can hold: stripped, with none of the marks that .txt and .csv split at.
letters = st.characters(
    codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs"), exclude_characters="|#"
)
words = st.lists(st.text(letters, min_size=1, max_size=8), min_size=1, max_size=3).map(" ".join)
several = st.lists(words, max_size=3).map(tuple)
plain_labels = st.builds(Label, name=words, synonyms=several)
full_labels = st.builds(
    Label,
    name=words,
    synonyms=several,
    prompts=several,
    parent=st.none() | words,
    threshold=st.none() | st.floats(0, 1),
)


def as_txt(labels: list[Label]) -> str:
    return "".join(" | ".join(label.words) + "\n" for label in labels)


def as_csv(labels: list[Label]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["label", "synonyms", "prompts", "parent", "threshold"])
    for label in labels:
        threshold = "" if label.threshold is None else repr(label.threshold)
        synonyms, prompts = "|".join(label.synonyms), "|".join(label.prompts)
        writer.writerow([label.name, synonyms, prompts, label.parent or "", threshold])
    return file.getvalue()


def as_data(labels: list[Label]) -> dict[str, Any]:
    keys = ("name", "synonyms", "prompts", "parent", "threshold")
    return {"labels": [{key: listed(getattr(label, key)) for key in keys} for label in labels]}


def listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def as_yaml(labels: list[Label]) -> str:
    data = as_data(labels)
    # PyYAML writes None as "null", which would be read as the word.
    data["labels"] = [{k: v for k, v in one.items() if v is not None} for one in data["labels"]]
    return yaml.safe_dump(data, allow_unicode=True)


def content_hash(document: LabelDocument) -> str:
    return LabelSet("any", document.labels, document.templates, document.reject).hash


@given(st.lists(plain_labels, min_size=1, max_size=5))
def test_txt_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, labels: list[Label]
) -> None:
    document = read(tmp_path_factory.getbasetemp(), "law.txt", as_txt(labels))

    assert list(document.labels) == labels


@given(st.lists(full_labels, min_size=1, max_size=4))
def test_yaml_json_and_csv_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, labels: list[Label]
) -> None:
    folder = tmp_path_factory.getbasetemp()

    documents = [
        read(folder, "law.yaml", as_yaml(labels)),
        read(folder, "law.csv", as_csv(labels)),
        read(folder, "law.json", json.dumps(as_data(labels), indent=1)),
        read(folder, "raw.json", json.dumps(as_data(labels), ensure_ascii=False)),
    ]

    assert [list(document.labels) for document in documents] == [labels] * 4
    assert len({content_hash(document) for document in documents}) == 1


def read_or_refuse(folder: Path, name: str, content: str | bytes) -> str:
    """Return what an error says, or nothing; any other exception is the test's failure."""
    try:
        read(folder, name, content)
    except ClipcliError as error:
        return error.message
    return ""


@given(st.text(max_size=200), st.sampled_from(["txt", "yaml", "json", "csv"]))
def test_any_text_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str, ending: str
) -> None:
    folder, raw = tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass")

    message = read_or_refuse(folder, f"any.{ending}", raw)

    assert message == "" or message.startswith(str(folder))


MARKS = [
    *"\n,:{}[]|#!?'\"",
    "labels:",
    "- ",
    "  ",
    "cat",
    ": ",
    "name",
    "parent",
    "&a",
    "*a",
    "---",
    "1",
]


@given(
    st.lists(st.sampled_from(MARKS), max_size=30).map("".join),
    st.sampled_from(["yaml", "json", "csv"]),
)
def test_any_heap_of_marks_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str, ending: str
) -> None:
    folder = tmp_path_factory.getbasetemp()

    message = read_or_refuse(folder, f"marks.{ending}", text)

    assert message == "" or message.startswith(str(folder))
