"""How labels are put to models that locate: every word of a label counts for it."""

from __future__ import annotations

from collections.abc import Iterator

from clipcli.encoder.locator import Question
from clipcli.labels.label import Label, folded_text
from clipcli.labels.label_set import LabelSet


def question_of(label_set: LabelSet) -> Question:
    """Ask for a set's labels by all their words and prompts; codes beside a word are none.

    Templates are for models that compare places with whole sentences; the others are asked for
    words.
    """
    texts = [
        (i, text, is_written)
        for i, label in enumerate(label_set.labels)
        for text, is_written in _texts(label, label_set.templates)
    ]
    phrases = tuple(text for _, text, _ in texts)
    if phrases == label_set.names and label_set.templates is None:
        return Question.of_names(phrases)
    return Question(
        phrases,
        names=label_set.names,
        owners=tuple(i for i, _, _ in texts),
        written=tuple(is_written for _, _, is_written in texts),
        templates=label_set.templates,
    )


def label_set_of(question: Question) -> LabelSet:
    """Return the labels that a question was made of, for a classifier."""
    if not question.names:
        return LabelSet.from_names(question.phrases)
    words: list[list[str]] = [[] for _ in question.names]
    prompts: list[list[str]] = [[] for _ in question.names]
    asked = zip(question.phrases, question.owners, question.written, strict=True)
    for text, owner, is_written in asked:
        (prompts if is_written else words)[owner].append(text)
    labels = [
        Label(name, tuple(word for word in said if word != name), tuple(as_written))
        for name, said, as_written in zip(question.names, words, prompts, strict=True)
    ]
    return LabelSet("", tuple(labels), question.templates)


def _texts(label: Label, templates: tuple[str, ...] | None) -> Iterator[tuple[str, bool]]:
    """Yield a label's words and prompts, and which are prompts; what comes again is asked once."""
    has_own_alone = templates == () and label.prompts
    words = () if has_own_alone else label.spoken
    seen: set[str] = set()
    for texts, is_written in ((words, False), (label.prompts, True)):
        for text in texts:
            if (folded := folded_text(text)) not in seen:
                seen.add(folded)
                yield text, is_written
