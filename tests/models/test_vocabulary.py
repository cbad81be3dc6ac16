"""Vocabularies on disk: the three layouts that are read, the one that is written, and bad files."""

from __future__ import annotations

import gzip
import itertools
import json
import os
from pathlib import Path

import pytest
from tokenizers import models

from clipcli.errors import ModelError
from clipcli.models.tokenizer.learn import learn_vocabulary
from clipcli.models.tokenizer.vocabulary import Vocabulary, read_vocabulary, write_vocabulary

OPENAI = os.environ.get("CLIPCLI_OPENAI_VOCABULARY")

MERGES = (("l", "o"), ("lo", "w</w>"), ("#", "#</w>"), ("Ã", "©</w>"))
N_OPENAI = 48_894


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
    return path


def openai_lines(n_merges: int) -> list[str]:
    """A file like OpenAI's: the header, n merges, and more that CLIP does not use."""
    pairs = itertools.product(map(chr, [*range(0x21, 0x7F), *range(0xAE, 0x100), 0x100]), repeat=2)
    singles = [f"{a} {b}" for a, b in pairs]
    longer = [f"{pair.replace(' ', '')} !" for pair in singles if not pair.endswith("!")]
    return ['"bpe_simple_vocab_16e6.txt#version: 0.2', *(singles + longer)[:n_merges]]


def write_gzip(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("\n".join(lines).encode("utf-8")))
    return path


def test_ids_are_bytes_then_endings_then_merges_then_special_tokens() -> None:
    vocabulary = Vocabulary.from_merges(MERGES)

    assert list(vocabulary.ids.values()) == list(range(512 + 4 + 2))
    assert [vocabulary.ids[token] for token in ("!", "~", "¡", "Ā", "Ń")] == [0, 93, 94, 188, 255]
    assert [vocabulary.ids[token] for token in ("!</w>", "Ń</w>")] == [256, 511]
    assert [vocabulary.ids[token] for token in ("lo", "low</w>", "Ã©</w>")] == [512, 513, 515]
    assert (vocabulary.start_id, vocabulary.end_id) == (516, 517)


def test_reads_what_it_writes(tmp_path: Path) -> None:
    vocabulary = learn_vocabulary(["low lower lowest ## été ÉTÉ 日本 日本"] * 2, 20)

    write_vocabulary(vocabulary, tmp_path / "merges.txt")

    assert read_vocabulary(tmp_path / "merges.txt") == vocabulary
    assert [file.name for file in tmp_path.iterdir()] == ["merges.txt"]


def test_writes_the_same_bytes_on_every_system(tmp_path: Path) -> None:
    write_vocabulary(Vocabulary.from_merges(MERGES), tmp_path / "merges.txt")

    expected = "#version: 0.2\nl o\nlo w</w>\n# #</w>\nÃ ©</w>\n"
    assert (tmp_path / "merges.txt").read_bytes() == expected.encode("utf-8")


@pytest.mark.parametrize("header", [["#version: 0.2"], ["#version: 0.2 - another tool"], []])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_reads_merges_with_and_without_header(
    tmp_path: Path, header: list[str], newline: str
) -> None:
    lines = [*header, *(" ".join(merge) for merge in MERGES[2:] + MERGES[:2])]
    path = tmp_path / "merges.txt"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8", newline=newline)

    vocabulary = read_vocabulary(path)

    assert vocabulary.merges == MERGES[2:] + MERGES[:2]  # "# #</w>" is not a header


def test_reads_what_hugging_face_writes(tmp_path: Path) -> None:
    ids = dict(Vocabulary.from_merges(MERGES).ids)
    models.BPE(ids, list(MERGES), end_of_word_suffix="</w>").save(str(tmp_path))

    vocabulary = read_vocabulary(tmp_path / "merges.txt")

    assert vocabulary == Vocabulary(MERGES, ids)


def test_ids_of_vocab_json_win(tmp_path: Path) -> None:
    ids = dict(Vocabulary.from_merges(MERGES).ids)
    ids["lo"], ids["!"] = ids["!"], ids["lo"]
    write_vocabulary(Vocabulary(MERGES, ids), tmp_path / "merges.txt")

    vocabulary = read_vocabulary(tmp_path / "merges.txt")

    assert (tmp_path / "vocab.json").exists()
    assert (vocabulary.ids["lo"], vocabulary.ids["!"]) == (0, 512)
    assert vocabulary == Vocabulary(MERGES, ids)


def test_openai_file_ends_where_clip_stops_reading(tmp_path: Path) -> None:
    lines = [*openai_lines(N_OPENAI), "not a merge at all"]
    path = write_gzip(tmp_path / "bpe_simple_vocab_16e6.txt.gz", lines)
    (tmp_path / "vocab.json").write_text("{}", encoding="utf-8")  # belongs to something else

    vocabulary = read_vocabulary(path)

    assert len(vocabulary.merges) == 48_894
    assert (vocabulary.start_id, vocabulary.end_id) == (49406, 49407)


def test_refuses_openai_file_that_is_too_short(tmp_path: Path) -> None:
    path = write_gzip(tmp_path / "vocab.txt.gz", openai_lines(N_OPENAI - 1))

    with pytest.raises(ModelError, match=r"ends at line 48,894 of 48,895"):
        read_vocabulary(path)


@pytest.mark.skipif(OPENAI is None, reason="CLIPCLI_OPENAI_VOCABULARY is not set")
@pytest.mark.reference
def test_reads_openai_vocabulary(tmp_path: Path) -> None:
    assert OPENAI is not None

    vocabulary = read_vocabulary(Path(OPENAI))
    write_vocabulary(vocabulary, tmp_path / "merges.txt")

    # First and last merge in use, and known rows of Hugging Face's openai/clip-vit-base-patch32.
    assert (vocabulary.merges[0], vocabulary.merges[-1]) == (("i", "n"), ("jeky", "ll</w>"))
    assert [vocabulary.ids[token] for token in ("in", "jekyll</w>", "cat</w>")] == [
        512,
        49405,
        2368,
    ]
    assert read_vocabulary(tmp_path / "merges.txt") == vocabulary


@pytest.mark.parametrize(
    ("lines", "fact"),
    [
        (["#version: 0.2", "l o", "lo"], "merges.txt:3: expected two tokens and one space"),
        (["#version: 0.2", "l o", "", "lo w"], "merges.txt:3: expected two tokens and one space"),
        (["#version: 0.2", "l o w"], "merges.txt:2: expected two tokens"),
        (["l  o"], "merges.txt:1: expected two tokens"),
        ([""], "merges.txt:1: expected two tokens"),
        (["#version: 0.2", "lo w", "l o"], "merges.txt:2: 'lo' is not made by any line above"),
        (["l o", "l ю"], "merges.txt:2: 'ю' is not made by any line above"),
        (["l o", "l o"], "merges.txt:2: 'lo' exists already"),
        (["a b", "b c", "ab c", "a bc"], "merges.txt:4: 'abc' exists already"),
        (["a</w> b"], "merges.txt:1: 'a</w>' ends a word"),
        (["<|endoftext|> !"], "merges.txt:1: '<|endoftext|>' is not made"),
    ],
)
def test_refuses_malformed_merges(tmp_path: Path, lines: list[str], fact: str) -> None:
    path = write_lines(tmp_path / "merges.txt", lines)

    with pytest.raises(ModelError) as caught:
        read_vocabulary(path)

    assert caught.value.message.startswith(str(tmp_path))
    assert fact in caught.value.message


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"lo": None}, "'lo' has no id"),
        ({"Ń</w>": None}, "'Ń</w>' has no id"),
        ({"<|endoftext|>": None}, "'<|endoftext|>' has no id"),
        ({"lol": 518}, "'lol' is not made by any merge"),
        ({"lo": 3}, "the ids are not 0 to 517, each once"),
        ({"lo": 518}, "the ids are not 0 to 517, each once"),
        ({"lo": -1}, "the ids are not 0 to 517, each once"),
        ({"lo": "512"}, "the ids are not 0 to 517, each once"),
        ({'"': True}, "the ids are not 0 to 517, each once"),
        ({"lo": 517, "<|endoftext|>": 512}, "'<|endoftext|>' does not have the largest id"),
    ],
)
def test_refuses_ids_that_do_not_fit(tmp_path: Path, change: dict[str, object], fact: str) -> None:
    path = write_lines(tmp_path / "merges.txt", [" ".join(merge) for merge in MERGES])
    ids: dict[str, object] = {**Vocabulary.from_merges(MERGES).ids, **change}
    ids = {token: id_ for token, id_ in ids.items() if id_ is not None}
    (tmp_path / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")

    with pytest.raises(ModelError) as caught:
        read_vocabulary(path)

    assert caught.value.message == f"{tmp_path / 'vocab.json'}: {fact}"


@pytest.mark.parametrize(
    ("content", "fact"),
    [(b"{", "not JSON"), (b"\xff\xfe", "not UTF-8 text"), (b"[]", "expected an object")],
)
def test_refuses_ids_that_are_not_json(tmp_path: Path, content: bytes, fact: str) -> None:
    path = write_lines(tmp_path / "merges.txt", ["l o"])
    (tmp_path / "vocab.json").write_bytes(content)

    with pytest.raises(ModelError, match=fact):
        read_vocabulary(path)


def test_refuses_files_that_are_missing_or_broken(tmp_path: Path) -> None:
    whole = write_gzip(tmp_path / "whole.txt.gz", openai_lines(N_OPENAI)).read_bytes()
    (tmp_path / "cut.txt.gz").write_bytes(whole[:-100])
    (tmp_path / "garbled.txt.gz").write_bytes(whole[:5000] + b"\x00" * 500 + whole[5500:])
    (tmp_path / "text.txt.gz").write_text("#version: 0.2\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("é </w>".encode("latin-1"))
    (tmp_path / "folder.txt").mkdir()

    def reason(name: str) -> str:
        with pytest.raises(ModelError) as caught:
            read_vocabulary(tmp_path / name)
        return caught.value.message.removeprefix(f"{tmp_path / name}: ")

    assert reason("nowhere.txt") == "no such file"
    assert reason("cut.txt.gz") == "broken gzip file"
    assert reason("garbled.txt.gz") == "broken gzip file"
    assert reason("text.txt.gz") == "broken gzip file"
    assert "not UTF-8" in reason("latin.txt")
    assert reason("folder.txt")  # worded by the operating system
