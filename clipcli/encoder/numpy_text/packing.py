"""Packing texts for a text tower: no padding, and nothing computed twice.

A text tower treats tokens one by one, except that in its attentions each token reads others. So the
tokens of many texts can lie in one long row, as long as it is said who reads whom. In CLIP a token
reads what stands before it and nothing else; so texts that begin alike ("a photo of a ...") share
the tokens of their beginning, and a text that is there twice costs nothing. In SigLIP every token
reads all of its text, so only whole texts can be shared.

Symbols: ``t`` tokens of the pack, ``m`` ends, ``p`` texts, ``n`` queries' groups in an attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.int64]
Text: TypeAlias = Sequence[int]  # token ids, start and end included

# Subtle: matrix products of other heights may sum in another order, which changes the last bits.
# With heights that are multiples of this (and so of the tiles of common processors: 16, 24 or 48
# rows), OpenBLAS gives a token the same numbers wherever it lies, if the processor has AVX-512 and
# the model at least 256 channels; so a half-warm cache prints what a cold one prints. Elsewhere
# rows of other packs differ by about 1e-7.
STEP = 48


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads whom: ``queries`` (n, a) each read the ``keys`` (n, b) of their line."""

    queries: Places
    keys: Places


@dataclass(frozen=True, slots=True)
class Pack:
    """The tokens of some texts. ``queries`` of ``last`` are places among ``ends``."""

    tokens: Places  # (t,) ids
    positions: Places  # (t,) within their texts
    readings: tuple[Reading, ...]
    ends: Places  # (m,) the tokens at which texts are read
    last: tuple[Reading, ...]  # of the last layer: only what is read at the end is still needed
    texts: dict[int, int]  # text's place in the list -> its place among the ends


def packs(texts: Sequence[Text], n_tokens: int, *, is_causal: bool) -> Iterator[Pack]:
    """Divide texts into packs of about ``n_tokens`` tokens; those that begin alike lie together."""
    pack = _Trie() if is_causal else _Whole()
    for place in sorted(range(len(texts)), key=lambda i: list(texts[i])):
        pack.add(place, texts[place])
        if pack.n_tokens >= n_tokens:
            yield pack.close()
            pack = type(pack)()
    if pack.texts:
        yield pack.close()


class _Trie:
    """Texts that come in order, so that each shares its beginning with the one before."""

    def __init__(self) -> None:
        self.texts: dict[int, int] = {}
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._readers: dict[int, list[list[int]]] = {}  # position -> the ways to the tokens there
        self._ends: dict[int, list[int]] = {}  # last token -> the way to it
        self._text: Text = ()
        self._way: list[int] = []  # the places of the last text's tokens

    @property
    def n_tokens(self) -> int:
        return len(self._tokens)

    def add(self, place: int, text: Text) -> None:
        shared = _shared(self._text, text)
        self._way = self._way[:shared]
        for token in text[shared:]:
            self._append(token)
        self._text = text
        self._ends.setdefault(self._way[-1], self._way)
        self.texts[place] = len(self._ends) - 1  # equal texts come one after the other

    def _append(self, token: int) -> None:
        self._way = [*self._way, len(self._tokens)]
        self._readers.setdefault(len(self._way), []).append(self._way)
        self._tokens.append(token)
        self._positions.append(len(self._way) - 1)

    def close(self) -> Pack:
        self._way = []
        while len(self._tokens) % STEP:  # starts that nobody reads but themselves
            self._way = []
            self._append(self._tokens[0])
        ways = _filled(self._ends.values())
        return Pack(
            np.array(self._tokens),
            np.array(self._positions),
            tuple(_reading(ways) for ways in map(np.array, self._readers.values())),
            np.array([way[-1] for way in ways]),
            tuple(_last_readings(ways)),
            self.texts,
        )


class _Whole:
    """Texts of one length in which every token reads every other."""

    def __init__(self) -> None:
        self.texts: dict[int, int] = {}
        self._known: dict[tuple[int, ...], int] = {}

    @property
    def n_tokens(self) -> int:
        return sum(map(len, self._known))

    def add(self, place: int, text: Text) -> None:
        self.texts[place] = self._known.setdefault(tuple(text), len(self._known))

    def close(self) -> Pack:
        texts = list(self._known)
        while len(texts) * len(texts[0]) % STEP:
            texts.append(texts[0])
        tokens = np.array(texts)  # (n, l)
        places = np.arange(tokens.size).reshape(tokens.shape)  # (n, l)
        ways = _filled(list(map(list, places)))
        return Pack(
            tokens.ravel(),
            np.tile(np.arange(tokens.shape[1]), len(tokens)),
            (Reading(places, places),),
            np.array([way[-1] for way in ways]),
            tuple(_last_readings(ways)),
            self.texts,
        )


def _shared(text: Text, other: Text) -> int:
    """Count the tokens with which both begin."""
    n = 0
    for one, two in zip(text, other, strict=False):
        if one != two:
            break
        n += 1
    return n


def _filled(ways: Iterable[list[int]]) -> list[list[int]]:
    """Repeat the first until their number is a multiple of the step."""
    filled = list(ways)
    return filled + [filled[0]] * (-len(filled) % STEP)


def _reading(ways: Places) -> Reading:
    """Let the last token of each way (n, b) read all of it."""
    return Reading(ways[:, -1:], ways)


def _last_readings(ways: list[list[int]]) -> Iterator[Reading]:
    """Let the ends, counted as they come, read their ways; those of one length together."""
    lengths = np.array([len(way) for way in ways])
    for length in np.unique(lengths):
        own = np.flatnonzero(lengths == length)
        yield Reading(own[:, None], np.array([ways[i] for i in own]))
