"""Learning a vocabulary: which merges shorten a text the most.

The most frequent pair of neighbouring symbols becomes a new symbol, again and again (Sennrich et
al. 2016, section 3.2, https://arxiv.org/abs/1508.07909).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import pairwise

from clipcli.models.tokenizer.clip import clean_text, split_words, word_symbols
from clipcli.models.tokenizer.vocabulary import Merge, Vocabulary

MIN_COUNT = 2  # a pair that occurs once says nothing about other texts


def learn_vocabulary(texts: Iterable[str], n_merges: int) -> Vocabulary:
    """Learn a vocabulary from texts, which are cleaned and split as prompts are.

    The same texts in any order give the same vocabulary: of pairs that are equally frequent, the
    first in alphabetical order is merged. There are fewer merges where no pair occurs twice.

    Parameters
    ----------
    texts
        Sentences, lines or whole documents; read once.
    n_merges
        How many merges to learn; the vocabulary has 514 tokens more.
    """
    word_counts = Counter(word for text in texts for word in split_words(clean_text(text)))
    pairs = _PairCounts(word_counts)
    merges: list[Merge] = []
    while len(merges) < n_merges and (pair := pairs.pop_most_frequent()) is not None:
        merges.append(pair)
        pairs.merge(pair)
    return Vocabulary.from_merges(merges)


class _PairCounts:
    """How often each pair of symbols occurs, kept up to date while words are merged."""

    def __init__(self, word_counts: Counter[str]) -> None:
        self._words = [word_symbols(word) for word in word_counts]
        self._word_counts = list(word_counts.values())
        self._counts: defaultdict[Merge, int] = defaultdict(int)
        self._places: defaultdict[Merge, set[int]] = defaultdict(set)  # pair -> words that had it
        self._heap: list[tuple[int, Merge]] = []  # (-count, pair)
        changes: defaultdict[Merge, int] = defaultdict(int)
        for i, symbols in enumerate(self._words):
            self._note(i, symbols, self._word_counts[i], changes)
        self._apply(changes)

    def pop_most_frequent(self) -> Merge | None:
        """Return the pair to merge next, or ``None`` when all that is left is rare."""
        while self._heap:
            count, pair = heappop(self._heap)
            # Subtle: when a count changes, the old entry stays in the heap beside the new one.
            if -count == self._counts[pair] >= MIN_COUNT:
                return pair
        return None

    def merge(self, pair: Merge) -> None:
        """Merge a pair in all words."""
        changes: defaultdict[Merge, int] = defaultdict(int)
        for i in self._places.pop(pair):
            count = self._word_counts[i]
            self._note(i, self._words[i], -count, changes)
            self._words[i] = _merge_pair(self._words[i], pair)
            self._note(i, self._words[i], count, changes)
        self._apply(changes)

    def _note(self, i: int, symbols: list[str], count: int, changes: dict[Merge, int]) -> None:
        for pair in pairwise(symbols):
            changes[pair] += count
            self._places[pair].add(i)

    def _apply(self, changes: dict[Merge, int]) -> None:
        for pair, change in changes.items():
            if change:
                self._counts[pair] += change
                heappush(self._heap, (-self._counts[pair], pair))


def _merge_pair(symbols: list[str], pair: Merge) -> list[str]:
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged
