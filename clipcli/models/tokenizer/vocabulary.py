"""Vocabularies: merges, token ids, and the files that hold them.

A vocabulary is a list of merges; everything else follows from it. Text is bytes, and each byte is
written as one visible character, its symbol. Token ids are given in this order: the 256 byte
symbols, the 256 symbols that end a word (``a</w>``), one for each merge, start-of-text,
end-of-text. Only a ``vocab.json`` may say otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from clipcli.errors import ModelError
from clipcli.files import open_regular
from clipcli.strict_json import Bounds, read_json, short

Merge: TypeAlias = tuple[str, str]

END_OF_WORD = "</w>"
START_OF_TEXT = "<|startoftext|>"
END_OF_TEXT = "<|endoftext|>"
SPECIAL_TOKENS = (START_OF_TEXT, END_OF_TEXT)

# OpenAI's file holds 262,144 merges, of which CLIP uses the first. Its own arithmetic forgets one
# of the two sets of byte symbols, which is why its vocabulary has 49,408 tokens, not 49,152.
OPENAI_HEADER = '"bpe_simple_vocab_16e6'
OPENAI_MERGES = 49152 - 256 - 2  # 48,894

MAX_BYTES = 16 * 1024**2  # of merges, unpacked; OpenAI's have 3 MB
# Of 256,000 tokens, as SigLIP 2's tokenizer.json has; CLIP's has a tenth of that.
TOKENIZER = Bounds(n_bytes=64 * 1024**2, items=2_500_000)
OUR_HEADER = "#version: 0.2"
# What the files are called in folders of models: merges, ids beside them, or both in one.
MERGES_NAME, IDS_NAME, TOKENIZER_NAME = "merges.txt", "vocab.json", "tokenizer.json"
SENTENCEPIECE_NAMES = ("spiece.model", "tokenizer.model")
SETTINGS_NAME = "tokenizer_config.json"  # which token ends a text


def _byte_symbols() -> dict[int, str]:
    """Give each byte a visible character, in the order of the token ids.

    Bytes that are visible in Latin-1 stand for themselves, the others are moved beyond 255: so a
    merges file has no spaces or control characters in its symbols. The idea and the order are
    GPT-2's (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
    """
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(256)) - set(visible))
    symbols = {byte: chr(byte) for byte in visible}
    return symbols | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


BYTE_SYMBOLS = _byte_symbols()  # byte -> its symbol
SYMBOL_BYTES = {symbol: byte for byte, symbol in BYTE_SYMBOLS.items()}


@dataclass(frozen=True)
class Vocabulary:
    """The merges, earliest first, and the id of each token."""

    merges: tuple[Merge, ...]
    ids: Mapping[str, int]

    @classmethod
    def from_merges(cls, merges: Iterable[Merge]) -> Vocabulary:
        """Give ids by the rule: bytes, bytes that end a word, merges, start, end."""
        merges = tuple(merges)
        return cls(merges, {token: i for i, token in enumerate(_tokens(merges))})

    @property
    def start_id(self) -> int:
        """The id of start-of-text."""
        return self.ids[START_OF_TEXT]

    @property
    def end_id(self) -> int:
        """The id of end-of-text, the largest of all."""
        return self.ids[END_OF_TEXT]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a merges file: OpenAI's ``bpe_simple_vocab_16e6.txt.gz``, or a ``merges.txt``.

    A ``vocab.json`` beside a ``merges.txt`` decides about the ids. A ``tokenizer.json``, as the
    ``tokenizers`` library writes it, has both.

    Raises
    ------
    ModelError
        When a file is missing or malformed; the message has the file and the line.
    """
    if path.suffix == ".json":
        return _read_tokenizer_json(path)
    lines = list(enumerate(_read_lines(path), start=1))
    _, header = lines[0]
    if header.startswith(OPENAI_HEADER):
        if len(lines) <= OPENAI_MERGES:
            raise ModelError(
                f"{path}: ends at line {len(lines):,} of {OPENAI_MERGES + 1:,}",
                hint="copy or fetch it again",
            )
        return Vocabulary.from_merges(_parse_merges(path, lines[1 : OPENAI_MERGES + 1]))
    merges = _parse_merges(path, lines[header.startswith("#version") :])
    ids_path = path.with_name(IDS_NAME)
    if ids_path.exists():
        return Vocabulary(merges, _read_ids(ids_path, merges))
    return Vocabulary.from_merges(merges)


def write_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Write a ``merges.txt``; where the ids are not those of the rule, a ``vocab.json`` too."""
    lines = [OUR_HEADER, *(f"{left} {right}" for left, right in vocabulary.merges), ""]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    if vocabulary != Vocabulary.from_merges(vocabulary.merges):
        text = json.dumps(dict(vocabulary.ids), ensure_ascii=False, indent=0)
        path.with_name(IDS_NAME).write_text(text, encoding="utf-8", newline="\n")


def _byte_tokens() -> list[str]:
    symbols = list(BYTE_SYMBOLS.values())
    return symbols + [symbol + END_OF_WORD for symbol in symbols]


def _tokens(merges: Iterable[Merge]) -> list[str]:
    """Return all tokens in the order of their ids."""
    return [*_byte_tokens(), *(left + right for left, right in merges), *SPECIAL_TOKENS]


def _read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, packed or not; there is always a first one."""
    raw = _read_file(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not a merges file: its text is not UTF-8") from error
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def _read_file(path: Path) -> bytes:
    """Return a file's bytes, unpacked where they are packed; within bounds either way."""
    import gzip
    import zlib

    try:
        with open_regular(path) as file:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ModelError(f"{path}: broken gzip file", hint="copy or fetch it again") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ModelError(f"{path}: is larger than {MAX_BYTES // 1024**2} MB: no merges file is")
    return raw


def _parse_merges(path: Path, lines: Iterable[tuple[int, str]]) -> tuple[Merge, ...]:
    merges: list[Merge] = []
    usable = set(_byte_tokens())
    for number, line in lines:
        left, right = _parse_merge(line, usable, f"{path}:{number}")
        merges.append((left, right))
        usable.add(left + right)
    return tuple(merges)


def _parse_merge(line: str, usable: set[str], place: str) -> Merge:
    """Read one line, which must join two tokens that exist by then to one that does not.

    Subtle: so a token has one rank, and what is made from it a later one. That is why it makes no
    difference whether a merge is applied everywhere at once or in one place after the other.
    """
    parts = line.split(" ")
    if len(parts) != 2 or not all(parts):
        raise ModelError(f"{place}: expected two tokens and one space, found {line[:40]!r}")
    left, right = parts
    for token in parts:
        if token not in usable:
            raise ModelError(f"{place}: {token!r} is not made by any line above")
    if left.endswith(END_OF_WORD):
        raise ModelError(f"{place}: {left!r} ends a word, nothing can follow it")
    if left + right in usable or left + right in SPECIAL_TOKENS:
        raise ModelError(f"{place}: {left + right!r} exists already")
    return left, right


def _read_tokenizer_json(path: Path) -> Vocabulary:
    data = read_json(path, ModelError, TOKENIZER)
    data = data if isinstance(data, dict) else {}
    model = data.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("merges"), list):
        raise ModelError(f"{path}: not a tokenizer of byte pairs: it has no merges")
    if model.get("end_of_word_suffix") != END_OF_WORD:
        raise ModelError(f"{path}: not CLIP's tokenizer: its words do not end in {END_OF_WORD}")
    # Older files write a merge as one string, newer ones as a pair.
    lines = [m if isinstance(m, str) else " ".join(_pair(path, m)) for m in model["merges"]]
    merges = _parse_merges(path, enumerate(lines, start=1))
    ids = {**model["vocab"]} if isinstance(model.get("vocab"), dict) else {}
    added = data.get("added_tokens") or []
    for token in added if isinstance(added, list) else [added]:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise ModelError(f"{path}: added_tokens: expected objects with content and id")
        ids.setdefault(token["content"], token.get("id"))
    return Vocabulary(merges, _check_ids(path, ids, merges))


def _pair(path: Path, merge: object) -> list[str]:
    parts = merge if isinstance(merge, list) else []
    if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise ModelError(f"{path}: a merge is {short(merge)}, not two tokens")
    return parts


def _read_ids(path: Path, merges: tuple[Merge, ...]) -> dict[str, int]:
    return _check_ids(path, read_json(path, ModelError, TOKENIZER), merges)


def _check_ids(path: Path, ids: object, merges: tuple[Merge, ...]) -> dict[str, int]:
    if not isinstance(ids, dict):
        raise ModelError(f"{path}: expected an object of tokens and their ids")
    hint = f"{IDS_NAME} and the merges beside it must come from the same model"
    expected = dict.fromkeys(_tokens(merges))
    for token in expected:
        if token not in ids:
            raise ModelError(f"{path}: {token!r} has no id", hint=hint)
    for token in ids:
        if token not in expected:
            raise ModelError(f"{path}: {token!r} is not made by any merge", hint=hint)
    # 1, 1.0 and true are equal in Python.
    are_numbers = all(type(number) is int for number in ids.values())
    if not are_numbers or {*ids.values()} != {*range(len(ids))}:
        raise ModelError(f"{path}: the ids are not 0 to {len(ids) - 1}, each once")
    if ids[END_OF_TEXT] != len(ids) - 1:
        raise ModelError(f"{path}: {END_OF_TEXT!r} does not have the largest id")
    return ids
