"""Label sets that can be read and yet will disappoint.

Everything here is advice: labels that a model cannot tell apart, prompts that it will not read to
the end, thresholds without effect. What cannot be used at all was refused on reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.labels.label import Label, folded_text
from clipcli.labels.label_set import LabelSet
from clipcli.labels.language import NOT_LATIN, foreign_labels, mixed_words, scripts_of
from clipcli.labels.templates import PLACEHOLDER, prompts_for_label
from clipcli.models.config import ENGLISH
from clipcli.models.tokenizer.clip import TextTokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

EncodeTexts = Callable[[Sequence[str]], "NDArray[Any]"]

ROWS_AT_ONCE = 1024  # labels compared with all others in one product: bounds the memory

_ARTICLE = re.compile(r"^(a|an|the) ")
_PLURALS = (  # the end of an English plural, and of its singular
    (re.compile(r"(?<=..)ies$"), "y"),
    (re.compile(r"(?<=ss|sh|ch)es$|(?<=[xz])es$"), ""),
    (re.compile(r"(?<=[^sui])s$"), ""),
)


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice, and the line it is about (0: the whole set)."""

    line: int
    message: str


def lint(
    label_set: LabelSet,
    templates: Sequence[str],
    tokenizer: TextTokenizer | None = None,
    languages: str = ENGLISH,
) -> list[Advice]:
    """Return what the text alone shows, in the order of lines.

    Parameters
    ----------
    label_set
        The set to judge.
    templates
        The templates in force.
    tokenizer
        The model's; without it the length of prompts is not looked at.
    languages
        What the model reads.
    """
    findings = [
        *_repeated_words(label_set.labels),
        *_words_alike(label_set.labels),
        *_prompts_shared(label_set, templates),
        *_unfilled_prompts(label_set),
        *_idle_thresholds(label_set),
        *_mixed_scripts(label_set.labels),
    ]
    if languages == ENGLISH:
        findings += _foreign(label_set.labels)
    if tokenizer is not None:
        findings += _long_prompts(label_set, templates, tokenizer)
    return sorted(findings, key=lambda finding: finding.line)


def plain_form(text: str) -> str:
    """Return what is left of a text without case, article, punctuation and plural.

    >>> plain_form("The T-Shirts") == plain_form("t shirt")
    True
    """
    form = _ARTICLE.sub("", folded_text(text))
    for plural, singular in _PLURALS:
        form, changed = plural.subn(singular, form)
        if changed:
            break
    return "".join(letter for letter in form if letter.isalnum()) or form


def _repeated_words(labels: Iterable[Label]) -> Iterator[Advice]:
    for label in labels:
        seen: set[str] = set()
        for word in label.words:
            if folded_text(word) in seen:
                yield Advice(label.line, f"{label.name!r} has the word {word!r} twice")
            seen.add(folded_text(word))


def _words_alike(labels: Iterable[Label]) -> Iterator[Advice]:
    """Find words of two labels that differ in nothing a model could see a difference in."""
    owners: dict[str, tuple[Label, str]] = {}
    seen: set[tuple[str, str]] = set()
    for label in labels:
        for word in label.words:
            other, other_word = owners.setdefault(plain_form(word), (label, word))
            if other is label or (other.name, label.name) in seen:
                continue
            seen.add((other.name, label.name))
            first, second = _as_owned(word, label), _as_owned(other_word, other)
            yield Advice(label.line, f"{first} and {second} are the same word")


def _as_owned(word: str, label: Label) -> str:
    return repr(word) if word == label.name else f"{word!r} (of {label.name!r})"


def _prompts_shared(label_set: LabelSet, templates: Sequence[str]) -> Iterator[Advice]:
    owners: dict[str, str] = {}
    for label in label_set.labels:
        # A word shared by two labels fills the same templates: that has been reported already.
        own = {folded_text(prompt) for prompt in label.prompts}
        for prompt in prompts_for_label(label, templates):
            key = folded_text(prompt)
            other = owners.setdefault(key, label.name)
            if other != label.name and key in own:
                yield Advice(label.line, f"{label.name!r} has a prompt of {other!r}: {prompt!r}")
    for prompt in label_set.reject:
        if folded_text(prompt) in owners:
            name = owners[folded_text(prompt)]
            yield Advice(0, f"the reject prompt {prompt!r} is a prompt of {name!r} too")


def _mixed_scripts(labels: Iterable[Label]) -> Iterator[Advice]:
    for label in labels:
        for text in (*label.words, *label.prompts):
            for word in mixed_words(text):
                scripts = " and ".join(sorted(script.capitalize() for script in scripts_of(word)))
                fact = "they look alike, and the model reads another word"
                yield Advice(label.line, f"{word!r} mixes {scripts} letters: {fact}")


def _foreign(labels: Sequence[Label]) -> Iterator[Advice]:
    language, names = foreign_labels([label.name for label in labels])
    lines = {label.name: label.line for label in labels}
    what = language if language == NOT_LATIN else f"perhaps {language}"
    for name in names:
        yield Advice(lines[name], f"{name!r} is {what}, and the model reads English")


def _unfilled_prompts(label_set: LabelSet) -> Iterator[Advice]:
    for label in label_set.labels:
        for prompt in label.prompts:
            if PLACEHOLDER in prompt:
                yield Advice(label.line, f"prompt {prompt!r} is used as written, {{}} included")


def _idle_thresholds(label_set: LabelSet) -> Iterator[Advice]:
    """Find thresholds that every winner passes, and those that none can.

    The most probable of n labels and reject prompts has at least probability 1/n under softmax.
    """
    n = len(label_set.labels) + len(label_set.reject)
    for label in label_set.labels:
        if label.threshold is None:
            continue
        threshold = f"threshold {label.threshold:g} of {label.name!r}"
        if label.threshold <= 1 / n:
            yield Advice(label.line, f"{threshold} never fires: the best of {n} has 1/{n} or more")
        elif label.threshold == 1:
            yield Advice(label.line, f"{threshold} can never be reached")


def _long_prompts(
    label_set: LabelSet, templates: Sequence[str], tokenizer: TextTokenizer
) -> Iterator[Advice]:
    groups = [(label.line, prompts_for_label(label, templates)) for label in label_set.labels]
    for line, prompts in [*groups, (0, label_set.reject)]:
        for prompt in prompts:
            tokenized = tokenizer.tokenize(prompt)
            if tokenized.is_cut:
                limit = tokenizer.context_length
                fact = f"has {tokenized.n_tokens} tokens, and the model reads {limit}"
                yield Advice(line, f"prompt {prompt!r} {fact}")


def similar_pairs(
    label_set: LabelSet, templates: Sequence[str], encode_texts: EncodeTexts, limit: float
) -> list[Advice]:
    """Return the pairs of labels whose embeddings' cosine is above ``limit``, closest first."""
    import numpy as np

    from clipcli.vectors import ensemble

    labels = label_set.labels
    rows = np.stack(
        [ensemble(encode_texts(prompts_for_label(label, templates))) for label in labels]
    )  # (c, d)
    pairs: list[tuple[float, Label, Label]] = []
    for start in range(0, len(labels), ROWS_AT_ONCE):
        cosines = rows[start : start + ROWS_AT_ONCE] @ rows.T  # (at most 1024, c)
        for i, j in np.argwhere(cosines > limit):
            if start + i < j:
                pairs.append((float(cosines[i, j]), labels[start + i], labels[j]))
    pairs.sort(key=lambda pair: -pair[0])
    return [
        Advice(b.line, f"{b.name!r} and {a.name!r} are hard to tell apart (cosine {cosine:.3f})")
        for cosine, a, b in pairs
    ]
