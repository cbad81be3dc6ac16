"""Tokens: how a prompt is cleaned, split into words and merged into ids.

The way is CLIP's: repair the text, lower-case it, split it into words, write each word as bytes,
and merge neighbouring symbols by a learned list (byte-level byte-pair encoding; Sennrich et al.
2016, https://arxiv.org/abs/1508.07909; Radford et al. 2019, section 2.2). The reference is
https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Protocol

import regex

from clipcli.errors import ModelError
from clipcli.models.tokenizer.vocabulary import (
    BYTE_SYMBOLS,
    END_OF_WORD,
    SYMBOL_BYTES,
    Merge,
    Vocabulary,
)

# The published pattern, less its two special tokens: what a user types is never a command, so
# "<|endoftext|>" is three words. IGNORECASE is the reference's, and not without effect on text in
# lower case: "'ſ" is a clitic like "'s", and a lone iota below (U+0345) is no word at all.
_WORD = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)
_SPACES = regex.compile(r"\s+")

_MAX_KNOWN = 50_000  # pieces of text whose ids are remembered, about 10 MB
_MAX_KNOWN_LENGTH = 64  # characters; longer ones are rare and not worth the memory


@dataclass(frozen=True, slots=True)
class Tokenized:
    """A prompt as the text tower reads it: start, tokens, end, at most a context long."""

    ids: list[int]  # (l,) not padded
    n_tokens: int  # before the cut, start and end included

    @property
    def is_cut(self) -> bool:
        """Whether the prompt was too long, and its end left out."""
        return self.n_tokens > len(self.ids)


class TextTokenizer(Protocol):
    """What a model needs of a tokenizer, CLIP's or another's."""

    context_length: int

    def tokenize(self, prompt: str) -> Tokenized:
        """Return the ids that the text tower reads."""


class Tokenizer:
    """Turns prompts into token ids and back.

    Parameters
    ----------
    vocabulary
        The merges and ids of the model.
    context_length
        The most tokens that the text tower reads, start and end included.
    """

    def __init__(self, vocabulary: Vocabulary, context_length: int = 77) -> None:
        if context_length < 2:
            raise ModelError(f"context length {context_length} has no room for start and end")
        self.vocabulary = vocabulary
        self.context_length = context_length
        self.start_id = vocabulary.start_id
        self.end_id = vocabulary.end_id
        self.vocab_size = self.end_id + 1  # end-of-text has the largest id
        self._ranks = {merge: rank for rank, merge in enumerate(vocabulary.merges)}
        self._known: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without start and end, however long it is."""
        # A word never spans a space, so what lies between spaces can be looked up as a whole.
        if _is_clean_but_for_case(text):
            pieces = text.lower().split()
        else:
            pieces = clean_text(text).split(" ")
        ids: list[int] = []
        known = self._known
        for piece in pieces:
            ids += known.get(piece) or self._encode_piece(piece)
        return ids

    def tokenize(self, prompt: str) -> Tokenized:
        """Return start, tokens and end; a prompt beyond the context loses its last tokens."""
        ids = self.encode(prompt)
        n_tokens = len(ids) + 2
        return Tokenized([self.start_id, *ids[: self.context_length - 2], self.end_id], n_tokens)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids, with one space between words.

        What ``encode`` makes of a text decodes to ``clean_text(text)``, except that spaces stand
        around punctuation and between digits, and a lone iota below is lost. Start-of-text is
        nothing, end-of-text ends the text (what follows is padding), and bytes that are not UTF-8,
        such as half a character, become U+FFFD.

        Raises
        ------
        ValueError
            When an id is not in the vocabulary.
        """
        data = bytearray()
        for id_ in ids:
            if id_ == self.end_id:
                break
            if id_ not in self._bytes:
                raise ValueError(f"token id {id_} is not in the vocabulary")
            data += self._bytes[id_]
        return data.decode("utf-8", "replace").removesuffix(" ")  # the last word's end

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        ids = tuple(
            self.vocabulary.ids[token]
            for word in _WORD.findall(piece)
            for token in merge_symbols(word_symbols(word), self._ranks)
        )
        if len(piece) <= _MAX_KNOWN_LENGTH:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()  # cheaper than counting uses, and the next texts fill it again
            self._known[piece] = ids
        return ids

    @cached_property
    def _bytes(self) -> dict[int, bytes]:
        """Token id -> its bytes; the end of a word is a space."""
        special = {self.start_id, self.end_id}
        return {
            id_: b"" if id_ in special else _token_bytes(token)
            for token, id_ in self.vocabulary.ids.items()
        }


def clean_text(text: str) -> str:
    """Repair mojibake and the like, resolve HTML entities, collapse spaces, lower-case."""
    if _is_clean_but_for_case(text):
        return " ".join(text.split()).lower()
    import ftfy

    # Twice, as the reference does: web text is often escaped twice.
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return _SPACES.sub(" ", text.strip()).strip().lower()


def split_words(text: str) -> list[str]:
    """Split a cleaned text into the words inside which merging happens."""
    words: list[str] = _WORD.findall(text)
    return words


def word_symbols(word: str) -> list[str]:
    """Write a word as one symbol for each byte; the last one also says that the word ends."""
    symbols = [BYTE_SYMBOLS[byte] for byte in word.encode("utf-8")]
    symbols[-1] += END_OF_WORD
    return symbols


def merge_symbols(symbols: list[str], ranks: Mapping[Merge, int]) -> list[str]:
    """Merge neighbours, the earliest merge first, each from left to right, until none is left.

    A heap of places keeps this fast, n log n, for words of a million letters too.
    """
    n = len(symbols)
    symbols = [*symbols, ""]  # "" is the border, and what a merged symbol leaves behind
    left, right = list(range(-1, n)), [*range(1, n + 1), n]
    heap = [
        (ranks[pair], i) for i in range(n - 1) if (pair := (symbols[i], symbols[i + 1])) in ranks
    ]
    heapify(heap)
    while heap:
        rank, i = heappop(heap)
        j = right[i]
        if ranks.get((symbols[i], symbols[j])) != rank:
            continue  # one of the two has been merged since
        symbols[i] += symbols[j]
        symbols[j] = ""
        right[i] = k = right[j]
        left[k] = i
        for a, b in ((left[i], i), (i, k)):
            if a >= 0 and (new_rank := ranks.get((symbols[a], symbols[b]))) is not None:
                heappush(heap, (new_rank, a))
    return [symbol for symbol in symbols if symbol]


def _is_clean_but_for_case(text: str) -> bool:
    """Tell whether cleaning would touch nothing but spaces and case, so that it can be spared.

    In printable ASCII without "&" nothing else is left to do. Four of ftfy's repairs touch ASCII:
    entities need "&", and terminal escapes, line breaks and control characters a character that
    is not printable. The others (mojibake, C1 controls, ligatures, widths, quotes, surrogates, NFC)
    look for characters beyond ASCII. `html.unescape` needs "&" as well.
    """
    return text.isascii() and text.isprintable() and "&" not in text


def _token_bytes(token: str) -> bytes:
    word = token.removesuffix(END_OF_WORD)
    return bytes(SYMBOL_BYTES[symbol] for symbol in word) + b" " * (word != token)
