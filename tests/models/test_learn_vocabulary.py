"""Learning a vocabulary: the textbook example, a plain implementation, and order."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcli.models.tokenizer.clip import Tokenizer, clean_text, split_words, word_symbols
from clipcli.models.tokenizer.learn import learn_vocabulary

# Sennrich et al. 2016, algorithm 1: words and how often they occur.
TEXTBOOK = ["low " * 5 + "lower " * 2, "newest " * 6, "widest " * 3]


def learn_plainly(texts: list[str], n_merges: int) -> list[tuple[str, str]]:
    """Count all pairs again for each merge."""
    counts = Counter(word for text in texts for word in split_words(clean_text(text)))
    words = {word: word_symbols(word) for word in counts}
    merges: list[tuple[str, str]] = []
    while len(merges) < n_merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += counts[word]
        candidates = [(-n, p) for p, n in pairs.items() if n >= 2]
        if not candidates:
            break
        best = min(candidates)[1]
        merges.append(best)
        for symbols in words.values():
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i : i + 2] = [best[0] + best[1]]
                i += 1
    return merges


def test_learns_the_textbook_example() -> None:
    vocabulary = learn_vocabulary(TEXTBOOK, 100)

    # By hand. 9 times: es, est. 7: lo. 6: ew before ne and west, then the rest of "newest". 5: low.
    # 3: the rest of "widest". 2: the rest of "lower", er before low and we. Ties by the alphabet.
    assert vocabulary.merges == (
        ("e", "s"),
        ("es", "t</w>"),
        ("l", "o"),
        ("e", "w"),
        ("ew", "est</w>"),
        ("n", "ewest</w>"),
        ("lo", "w</w>"),
        ("d", "est</w>"),
        ("i", "dest</w>"),
        ("w", "idest</w>"),
        ("e", "r</w>"),
        ("lo", "w"),
        ("low", "er</w>"),
    )


def test_learned_words_are_single_tokens() -> None:
    tokenizer = Tokenizer(learn_vocabulary(TEXTBOOK, 100))

    ids = tokenizer.encode("lower widest")

    assert len(ids) == 2
    assert tokenizer.decode(ids) == "lower widest"


@settings(deadline=None)
@given(st.lists(st.text("ab cé", max_size=30), max_size=6), st.integers(0, 40))
def test_equals_the_plain_way(texts: list[str], n_merges: int) -> None:
    vocabulary = learn_vocabulary(texts, n_merges)

    assert list(vocabulary.merges) == learn_plainly(texts, n_merges)


def test_order_of_the_texts_does_not_matter() -> None:
    rng = random.Random(0)
    texts = ["".join(rng.choices("abc ", k=40)) for _ in range(100)]

    learned = learn_vocabulary(iter(texts), 200)

    assert learned == learn_vocabulary(rng.sample(texts, len(texts)), 200)


@pytest.mark.parametrize("texts", [[], ["", " "], ["no pair twice"]])
def test_text_without_repetition_teaches_nothing(texts: list[str]) -> None:
    vocabulary = learn_vocabulary(texts, 10)

    assert vocabulary.merges == ()


@settings(deadline=None)
@given(st.lists(st.text("ab", max_size=60), max_size=20))
def test_every_merge_makes_a_token_of_its_own(texts: list[str]) -> None:
    # How a stretch of text is split, once nothing has been merged across its ends, depends on the
    # stretch alone; so two different pairs never spell the same token, and ids never collide.
    vocabulary = learn_vocabulary(texts, 100)

    assert len(vocabulary.ids) == 512 + len(vocabulary.merges) + 2
