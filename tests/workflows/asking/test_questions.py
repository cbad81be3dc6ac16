"""Questions become statements by rules that can be read off the examples."""

from __future__ import annotations

import pytest

from clipcli.errors import UsageError
from clipcli.labels.label_set import load_label_set
from clipcli.labels.templates import TEMPLATE_SETS
from clipcli.results import Classified, LabelScore, Skipped
from clipcli.workflows.asking.answers import answered
from clipcli.workflows.asking.describing import Part, sentence_of, without_coarser
from clipcli.workflows.asking.questions import understand


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("What colour is the car?", "red", "a photo of a red car"),
        ("what color are these  flowers", "pink", "a photo of pink flowers"),
        ("how many dogs are there?", "two", "a photo of two dogs"),
        ("how many dogs", "no", "a photo of no dogs"),
        ("what is the table made of?", "wood", "a photo of a table made of wood"),
        ("what material is the chair?", "metal", "a photo of a chair made of metal"),
        ("what is the weather like?", "rainy", "a photo taken in rainy weather"),
        ("what is the weather like?", "rainy", "a photo of a rainy day"),
        ("is it indoors or outdoors?", "outdoors", "an outdoor scene"),
        ("is the dog inside or outside", "inside", "a dog inside"),
        ("is this a cat or a dog?", "dog", "a photo of a dog."),
        ("is this a cat or a dog?", "dog", "a close-up photo of a dog."),
        ("is this a cat, a dog, or a cow?", "dog", "a photo of a dog."),
        ("are these dogs", "yes", "a photo of dogs"),
        ("is there a cat?", "yes", "a photo of a cat"),
        ("are there any people in the picture?", "yes", "a photo of people"),
        ("is this a castle?", "yes", "a photo of a castle"),
    ],
)
def test_rules(question: str, answer: str, statement: str) -> None:
    assert (answer, statement) in understand(question).statements


def test_two_things_are_told_apart_by_the_prompts_of_classify() -> None:
    asked = understand("is this a cat, a dog or a cow?").label_set()
    classified = load_label_set("cat, dog, cow")

    assert [label.prompts for label in asked.labels] == [
        tuple(template.replace("{}", label.name) for template in TEMPLATE_SETS["photo"])
        for label in classified.labels
    ]


def test_an_answer_has_several_statements_but_counts_once() -> None:
    asked = understand("what is the weather like?", ["wet", "dry"])

    assert asked.answers == ("wet", "dry")
    assert [len(label.prompts) for label in asked.label_set().labels] == [2, 2]


def test_answers_of_ones_own_take_the_place_of_the_usual_ones() -> None:
    asked = understand("what kind of flower is this?", ["rose", "tulip"])

    assert asked.statements == (
        ("rose", "a photo of a rose, a kind of flower"),
        ("tulip", "a photo of a tulip, a kind of flower"),
    )


def test_a_statement_of_ones_own_needs_no_rule() -> None:
    asked = understand("hm?", ["red", "blue"], "my {} car")

    assert [text for _, text in asked.statements] == ["my red car", "my blue car"]
    assert asked.label_set().templates == ()


@pytest.mark.parametrize(
    ("question", "answers", "statement", "message"),
    [
        ("why?", (), None, "no rule"),
        ("", (), None, "no rule"),
        ("what is the dog doing?", (), None, "no usual answers"),
        ("what colour is it?", ("red",), None, "one answer is no choice"),
        ("what colour is the?", (), None, "names no thing"),
        ("is there any", (), None, "names no thing"),
        ("is this a cat or ?", (), None, "not finished"),
        ("is this or that?", (), None, "not finished"),
        ("x", ("red", "blue"), "no place", "needs {}"),
        ("x", (), "a {}", "needs {}"),
    ],
)
def test_what_cannot_be_asked(
    question: str, answers: tuple[str, ...], statement: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        understand(question, answers, statement)


def test_yes_and_no_may_be_said_to_be_the_answers() -> None:
    assert understand("is there a cat?", ("Yes", "no")) == understand("is there a cat?")
    with pytest.raises(UsageError, match="answered by yes or no"):
        understand("is there a cat?", ("maybe", "no"))


@pytest.mark.parametrize(("share", "first"), [(0.8, "yes"), (0.3, "no")])
def test_no_is_what_yes_leaves(share: float, first: str) -> None:
    asked = understand("is there a cat?")
    result = Classified("a.jpg", (LabelScore("yes", share, 0.2),), decision="below_threshold")

    said = answered(result, asked)

    assert isinstance(said, Classified)
    assert said.label == first
    assert sum(score.probability for score in said.top) == pytest.approx(1)


def test_skipped_pictures_stay_skipped() -> None:
    skipped = Skipped("a.jpg", "broken")

    assert answered(skipped, understand("is there a cat?")) is skipped


def test_a_sentence_says_what_is_sure_and_nothing_else() -> None:
    parts = [
        Part("thing", "cat", 0.9, 0.0, is_said=True),
        Part("place", "beach", 0.9, 0.8, is_said=False),
        Part("weather", "sunny", 0.7, 0.1, is_said=True),
    ]

    assert sentence_of(parts) == "a photo of: cat; weather: sunny."
    assert "nothing" in sentence_of(parts[1:2])


def test_a_label_of_two_sets_is_said_once() -> None:
    parts = [
        Part("thing", "castle", 0.9, 0.0, is_said=True),
        Part("place", "castle", 0.8, 0.1, is_said=True),
    ]

    assert sentence_of(parts) == "a photo of: castle."


@pytest.mark.parametrize(("neutral", "thing_is_said"), [(0.1, False), (0.9, True)])
def test_an_animal_is_said_by_the_set_of_animals_alone(neutral: float, thing_is_said: bool) -> None:
    parts = [
        Part("thing", "cow", 0.9, 0.0, is_said=True),
        Part("animal", "horse", 0.4, neutral, is_said=False),
    ]

    assert [part.is_said for part in without_coarser(parts)] == [thing_is_said, False]
