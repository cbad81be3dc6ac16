"""How many prompts a second the tokenizer reads, beside others that give the same ids.

Run ``python tests/benchmarks/bench_tokenizer.py``. It uses OpenAI's vocabulary where
CLIPCLI_OPENAI_VOCABULARY names ``bpe_simple_vocab_16e6.txt.gz``, else one learned from the prompts.
Seconds are seconds of processor time, all contenders use one thread, they take turns in each round,
and a ratio is the median of the rounds' ratios: so a busy machine disturbs little, and all alike.
"""

from __future__ import annotations

import html
import os
import statistics
import time
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import ftfy
import regex

from clipcli.models.tokenizer.clip import Tokenizer, word_symbols
from clipcli.models.tokenizer.learn import learn_vocabulary
from clipcli.models.tokenizer.vocabulary import Vocabulary, read_vocabulary

ROUNDS = 7
TEMPLATES = ("a photo of a {}.", "a blurry photo of the {}.", "a close-up of one {}, outdoors.")
ADJECTIVES = """red green blue yellow black white brown grey orange purple old new small large young
    tall short heavy light wooden metal plastic glass cotton leather broken clean dirty wet dry warm
    cold striped spotted painted rusty shiny folded open closed empty full sleeping running flying
    swimming wild tame expensive cheap"""
NOUNS = """cat dog horse cow sheep goat chicken duck goose rabbit hamster parrot goldfish turtle
    snake lizard spider butterfly bee ladybird elephant giraffe zebra lion tiger bear wolf fox deer
    squirrel car bus lorry bicycle motorcycle train tram aeroplane helicopter boat ship canoe table
    chair sofa bed lamp wardrobe bookshelf mirror carpet kettle saucepan teapot spoon fork knife
    bottle cup plate bowl apple banana strawberry pineapple mushroom carrot cauliflower broccoli
    sandwich hamburger pizza pancake croissant guitar violin saxophone accordion trumpet
    skyscraper lighthouse cathedral windmill greenhouse bridge waterfall volcano
    glacier"""

Contender = Callable[[list[str]], list[list[int]]]


class PlainTokenizer:
    """The published algorithm, straight: clean everything, split, merge, remember words."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ranks = {merge: rank for rank, merge in enumerate(vocabulary.merges)}
        self._pattern = regex.compile(
            r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
            r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
            regex.IGNORECASE,
        )
        self._known: dict[str, list[int]] = {}

    def __call__(self, prompts: list[str]) -> list[list[int]]:
        return [self._tokenize(prompt) for prompt in prompts]

    def _tokenize(self, prompt: str) -> list[int]:
        text = html.unescape(html.unescape(ftfy.fix_text(prompt))).strip()
        text = regex.sub(r"\s+", " ", text).strip().lower()
        ids = [self._vocabulary.start_id]
        for word in self._pattern.findall(text):
            if word not in self._known:
                tokens = self._merge(word_symbols(word))
                self._known[word] = [self._vocabulary.ids[token] for token in tokens]
            ids.extend(self._known[word])
        return [*ids[:76], self._vocabulary.end_id]

    def _merge(self, symbols: list[str]) -> list[str]:
        while True:
            pairs = [p for p in pairwise(symbols) if p in self._ranks]
            if not pairs:
                return symbols
            best = min(pairs, key=self._ranks.__getitem__)
            i = 0
            while i < len(symbols) - 1:
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i : i + 2] = ["".join(best)]
                i += 1


def clipcli(vocabulary: Vocabulary) -> Contender:
    tokenizer = Tokenizer(vocabulary)
    return lambda prompts: [tokenizer.tokenize(prompt).ids for prompt in prompts]


def clipcli_cold(vocabulary: Vocabulary) -> Contender:
    def tokenize(prompts: list[str]) -> list[list[int]]:
        return clipcli(vocabulary)(prompts)  # a new tokenizer for each round

    return tokenize


def hugging_face(vocabulary: Vocabulary) -> dict[str, Contender]:
    """Return what is installed of transformers' CLIPTokenizer and the tokenizers below it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a ratio per core
    try:
        from transformers import CLIPTokenizer
    except ImportError:
        return {}
    slow = CLIPTokenizer(vocab=dict(vocabulary.ids), merges=list(vocabulary.merges))
    fast = slow.backend_tokenizer
    return {
        "tokenizers, one at a time": lambda prompts: [fast.encode(p).ids for p in prompts],
        "tokenizers, encode_batch": lambda prompts: [e.ids for e in fast.encode_batch(prompts)],
        "transformers CLIPTokenizer": lambda prompts: slow(prompts)["input_ids"],
    }


def measure(contenders: dict[str, Contender], prompts: list[str]) -> dict[str, list[float]]:
    """Return processor seconds for each round, after a first one that is checked and not timed."""
    expected = contenders["clipcli"](prompts)
    for name, run in contenders.items():
        assert run(prompts) == expected, f"{name} gives other ids"
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.process_time()
            run(prompts)
            seconds[name].append(time.process_time() - start)
    return seconds


def report(title: str, contenders: dict[str, Contender], prompts: list[str]) -> None:
    seconds = measure(contenders, prompts)
    print(f"{title}: {len(prompts):,} prompts, median of {ROUNDS} rounds")
    for name, times in seconds.items():
        rate = len(prompts) / statistics.median(times)
        pairs = zip(times, seconds["clipcli"], strict=True)
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        print(f"  {name:28}{rate:>12,.0f} prompts/s   takes {ratio:6.2f} x clipcli's time")


def main() -> None:
    labels = [
        f"{adjective} {noun}" for adjective, noun in product(ADJECTIVES.split(), NOUNS.split())
    ]
    prompts = [template.format(label) for label in labels for template in TEMPLATES]
    path = os.environ.get("CLIPCLI_OPENAI_VOCABULARY")
    vocabulary = read_vocabulary(Path(path)) if path else learn_vocabulary(prompts, 2000)
    plain = PlainTokenizer(vocabulary)
    contenders: dict[str, Contender] = {"clipcli": clipcli(vocabulary), "plain reference": plain}
    report("English", contenders | hugging_face(vocabulary), prompts)
    accented = [prompt.replace("a ", "á ").replace("ee", "é") for prompt in prompts[::5]]
    report("With accents", contenders, accented)
    first = {
        "clipcli": clipcli(vocabulary),
        "clipcli, nothing remembered": clipcli_cold(vocabulary),
    }
    report("First sight", first, prompts)


if __name__ == "__main__":
    main()
