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
from clipcli.labels.templates import TEMPLATE_SETS

YES, NO = "yes", "no"
COLOURS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
    "grey",
)
COUNTS = ("no", "one", "two", "three", "four")
MATERIALS = ("wood", "metal", "glass", "plastic", "stone", "fabric", "leather", "paper", "brick")
WEATHER = ("sunny", "cloudy", "rainy", "foggy", "snowy", "stormy")
ARTICLES = ("the", "a", "an", "any", "some", "this", "that", "these", "those")
ARTICLE = re.compile(rf"^({'|'.join(ARTICLES)})\s+")
UNFINISHED = re.compile(r"^or\b|\bor$")
SCENES = {"indoors": "indoor", "inside": "indoor", "outdoors": "outdoor", "outside": "outdoor"}
SCENE = ("an {} scene",)
A_THING = TEMPLATE_SETS["photo"]  # what `classify` says of a name


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of questions, the statements it becomes, and answers where none are given."""

    pattern: re.Pattern[str]
    statements: tuple[str, ...]  # {x} stands for the thing, {} for the answer
    answers: tuple[str, ...] = ()
    example: str = ""


def _rule(
    pattern: str, statements: str | tuple[str, ...], answers: Sequence[str], example: str
) -> Rule:
    several = (statements,) if isinstance(statements, str) else statements
    return Rule(re.compile(pattern), several, tuple(answers), example)


RULES = (
    _rule(r"what colou?r is (?P<x>.+)", "a photo of a {} {x}", COLOURS, "what colour is the car?"),
    _rule(
        r"what colou?r are (?P<x>.+)", "a photo of {} {x}", COLOURS, "what colour are the flowers?"
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
        ("a photo taken in {} weather", "a photo of a {} day"),
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
    _rule(r"(?:what|who) (?:is|are) (?:this|it|that|these)", A_THING, (), "what is this?"),
)
YES_NO = (
    (re.compile(r"is there (?P<x>.+?)(?: in (?:this|the) (?:photo|picture))?"), "a photo of a {x}"),
    (re.compile(r"are there (?P<x>.+?)(?: in (?:this|the) (?:photo|picture))?"), "a photo of {x}"),
    (re.compile(r"is (?:this|it|that) (?P<x>.+)"), "a photo of a {x}"),
    (re.compile(r"are (?:these|those|they) (?P<x>.+)"), "a photo of {x}"),
    (re.compile(r"do you see (?P<x>.+)"), "a photo of a {x}"),
)
EITHER = re.compile(r"(?:is|are) (?P<x>.+?) (?P<a>\S+) or (?P<b>\S+)")
EITHER_THIS = re.compile(r"(?:is|are) (?:this|it|that|these|those) (?P<a>.+?),? or (?P<b>.+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as labels with their statements; of a yes-or-no question only the yes."""

    question: str
    statements: tuple[tuple[str, str], ...]  # answer and statement, an answer may have several
    is_yes_no: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers, each once."""
        return tuple(dict.fromkeys(answer for answer, _ in self.statements))

    def label_set(self) -> LabelSet:
        """Return the answers as labels whose prompts are the statements, as they are."""
        texts: dict[str, list[str]] = {}
        for answer, text in self.statements:
            texts.setdefault(answer, []).append(text)
        labels = tuple(Label(answer, prompts=tuple(said)) for answer, said in texts.items())
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
        return _asked(question, (statement,), "", answers)
    if either := _either(text):
        words, sentences = either
        return _asked(question, sentences, "", answers or words)
    for pattern, sentence in YES_NO:
        if match := pattern.fullmatch(text):
            if not {answer.casefold() for answer in answers} <= {YES, NO}:
                raise UsageError(
                    f"{question!r}: is answered by yes or no, and by no --answers",
                    hint="leave them out; or say it: --statement 'a {} car' --answers 'red, blue'",
                )
            said = sentence.replace("{x}", _named(match["x"], question))
            return Asked(question, ((YES, said),), is_yes_no=True)
    for rule in RULES:
        if match := rule.pattern.fullmatch(text):
            if not (answers or rule.answers):
                raise UsageError(
                    f"{question!r}: there are no usual answers to that",
                    hint="say what may be answered: --answers 'red, blue, white'",
                )
            thing = _named(match["x"], question) if "x" in rule.pattern.groupindex else ""
            return _asked(question, rule.statements, thing, answers or rule.answers)
    examples = ", ".join(f"'{rule.example}'" for rule in RULES[:3])
    raise UsageError(
        f"{question!r}: no rule turns that into statements",
        hint=f"ask as in {examples}; or say it: --statement 'a {{}} car' --answers 'red, blue'",
    )


def _either(text: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return what a question lets one choose from, and the statements."""
    if match := EITHER_THIS.fullmatch(text):
        words = tuple(_thing(word) for word in (*match["a"].split(","), match["b"]))
        return words, SCENE if words[0] in SCENES else A_THING
    if (match := EITHER.fullmatch(text)) and not text.startswith(("is there", "are there")):
        thing = _thing(match["x"])
        words = (match["a"], match["b"])
        return words, (f"a {thing} {{}}" if words[0] in SCENES else f"a photo of a {{}} {thing}",)
    return None


def _asked(question: str, statements: Sequence[str], thing: str, answers: Sequence[str]) -> Asked:
    """Fill the statements; one that says "scene" takes "indoor" for "indoors"."""
    pairs = []
    for answer in dict.fromkeys(answers):
        for statement in statements:
            word = SCENES.get(answer, answer) if "scene" in statement else answer
            said = statement.replace("{x}", thing).replace("{}", word)
            pairs.append((answer, said))
    asked = Asked(question, tuple(pairs))
    if len(asked.answers) == 1:
        raise UsageError(f"{question!r}: one answer is no choice", hint="give several --answers")
    return asked


def _named(words: str, question: str) -> str:
    """Return a thing without its article.

    Raises
    ------
    UsageError
        If there is none: "what colour is the", "is this a cat or".
    """
    thing = _thing(words)
    if thing in ARTICLES or UNFINISHED.search(thing):
        raise UsageError(
            f"{question!r}: names no thing to ask about, or is not finished",
            hint="such as 'what colour is the car?', 'is this a cat or a dog?'",
        )
    return thing


def _thing(words: str) -> str:
    return ARTICLE.sub("", words.strip())
