"""Questions turned into statements, by a short list of rules.

Nothing understands a question: each rule is a pattern and the sentence that it becomes, with ``{}``
where an answer goes. What no rule fits needs a sentence from the user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clipcli.errors import UsageError
from clipcli.labels.label import Label
from clipcli.labels.label_set import LabelSet

YES, NO = "yes", "no"
COLOURS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    "grey",
)
COUNTS = ("no", "one", "two", "three", "four")
MATERIALS = ("wood", "metal", "glass", "plastic", "stone", "fabric", "leather", "paper", "brick")
WEATHER = ("sunny", "cloudy", "rainy", "foggy", "snowy", "stormy")
ARTICLE = re.compile(r"^(the|a|an|any|some|this|that|these|those)\s+")
PLACES = ("indoors", "outdoors", "inside", "outside")


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of questions, the statement it becomes, and answers where none are given."""

    pattern: re.Pattern[str]
    statement: str  # {x} stands for the thing, {} for the answer
    answers: tuple[str, ...] = ()
    example: str = ""


def _rule(pattern: str, statement: str, answers: Sequence[str], example: str) -> Rule:
    return Rule(re.compile(pattern), statement, tuple(answers), example)


RULES = (
    _rule(
        r"what colou?r (?:is|are) (?P<x>.+)",
        "a photo of a {} {x}",
        COLOURS,
        "what colour is the car?",
    ),
    _rule(
        r"how many (?P<x>.+?)(?: are (?:there|in .+|on .+)| do you see| can you see)?",
        "a photo of {} {x}",
        COUNTS,
        "how many dogs are there?",
    ),
    _rule(
        r"what (?:is|are) (?P<x>.+?) made (?:of|from)",
        "a photo of a {x} made of {}",
        MATERIALS,
        "what is the table made of?",
    ),
    _rule(
        r"what material (?:is|are) (?P<x>.+)",
        "a photo of a {x} made of {}",
        MATERIALS,
        "what material is the chair?",
    ),
    _rule(
        r"(?:what|how) is the weather(?: like)?",
        "a photo taken in {} weather",
        WEATHER,
        "what is the weather like?",
    ),
    _rule(
        r"what (?:kind|type|sort|breed) of (?P<x>.+?) (?:is|are) (?:this|it|that|these|they)",
        "a photo of a {}, a kind of {x}",
        (),
        "what kind of flower is this?",
    ),
    _rule(
        r"what (?:is|are) (?P<x>.+?) doing",
        "a photo of a {x} that is {}",
        (),
        "what is the dog doing?",
    ),
    _rule(r"where (?:is|are) (?P<x>.+)", "a photo of a {x} {}", (), "where is the cat?"),
    _rule(
        r"(?:what|who) (?:is|are) (?:this|it|that|these)", "a photo of a {}", (), "what is this?"
    ),
)
YES_NO = (
    (
        re.compile(r"(?:is|are) there (?P<x>.+?)(?: in (?:this|the) (?:photo|picture))?"),
        "a photo of a {x}",
    ),
    (re.compile(r"(?:is|are) (?:this|it|that|these) (?P<x>.+)"), "a photo of a {x}"),
    (re.compile(r"do you see (?P<x>.+)"), "a photo of a {x}"),
)
EITHER = re.compile(r"(?:is|are) (?P<x>.+?) (?P<a>\S+) or (?P<b>\S+)")
EITHER_THIS = re.compile(r"(?:is|are) (?:this|it|that) (?P<a>.+?) or (?P<b>.+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as labels with one statement each; of a yes-or-no question only the yes."""

    question: str
    statements: tuple[tuple[str, str], ...]  # answer and statement
    is_yes_no: bool = False

    def label_set(self) -> LabelSet:
        """Return the answers as labels whose prompts are the statements, as they are."""
        labels = tuple(Label(answer, prompts=(text,)) for answer, text in self.statements)
        return LabelSet(name="question", labels=labels, templates=())


def understand(question: str, answers: Sequence[str] = (), statement: str | None = None) -> Asked:
    """Turn a question into statements.

    Parameters
    ----------
    question
        As it was asked.
    answers
        What may be answered; empty: those of the rule that fits.
    statement
        A sentence with ``{}`` for the answer, in place of any rule.

    Raises
    ------
    UsageError
        If no rule fits, or one fits that has no answers of its own.
    """
    text = " ".join(question.lower().replace("?", " ").split())
    if statement is not None:
        if "{}" not in statement or not answers:
            raise UsageError(
                f"--statement {statement!r}: needs {{}} where an answer goes, and --answers"
            )
        return _asked(question, statement, "", answers)
    if either := _either(text):
        words, sentence = either
        return _asked(question, sentence, "", answers or words)
    for pattern, sentence in YES_NO:
        if (match := pattern.fullmatch(text)) and not answers:
            thing = _thing(match["x"])
            return Asked(question, ((YES, sentence.replace("{x}", thing)),), is_yes_no=True)
    for rule in RULES:
        if match := rule.pattern.fullmatch(text):
            if not (answers or rule.answers):
                raise UsageError(
                    f"{question!r}: there are no usual answers to that",
                    hint="say what may be answered: --answers 'red, blue, white'",
                )
            thing = _thing(match["x"]) if "x" in rule.pattern.groupindex else ""
            return _asked(question, rule.statement, thing, answers or rule.answers)
    examples = ", ".join(f"'{rule.example}'" for rule in RULES[:3])
    raise UsageError(
        f"{question!r}: no rule turns that into statements",
        hint=f"ask as in {examples}; or say it: --statement 'a {{}} car' --answers 'red, blue'",
    )


def _either(text: str) -> tuple[tuple[str, str], str] | None:
    if match := EITHER_THIS.fullmatch(text):
        words = (_thing(match["a"]), _thing(match["b"]))
        is_place = words[0] in PLACES
        return words, "a photo taken {}" if is_place else "a photo of a {}"
    if (match := EITHER.fullmatch(text)) and not text.startswith(("is there", "are there")):
        words = (match["a"], match["b"])
        thing = _thing(match["x"])
        return words, f"a {thing} {{}}" if words[0] in PLACES else f"a photo of a {{}} {thing}"
    return None


def _asked(question: str, statement: str, thing: str, answers: Sequence[str]) -> Asked:
    sentence = statement.replace("{x}", thing)
    pairs = tuple((answer, sentence.replace("{}", answer)) for answer in dict.fromkeys(answers))
    if len(pairs) == 1:
        raise UsageError(f"{question!r}: one answer is no choice", hint="give several --answers")
    return Asked(question, pairs)


def _thing(words: str) -> str:
    return ARTICLE.sub("", words.strip())
