"""GLIP from a released file: names and sentences in, boxes out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.glip_text import WordPiece
from clipcli.errors import ModelError, UsageError
from clipcli.models.locators.source import open_locator

from .glip_weights import architecture, released, weights

pytest.importorskip("tokenizers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "a", "dog", "cat", "grass", "##s"]
WORDS += ["on", "the", "fris", "##bee", "red", *(f"word{i}" for i in range(43))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = weights(architecture(is_fused=True))
    torch.save(released(state), tmp_path / "glip_small.pth")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return tmp_path


def picture(height: int = 30, width: int = 400) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_released_file_answers_with_boxes_in_the_picture(folder: Path) -> None:
    locator = load_locator(open_locator(folder), "cpu")
    question = Question.of_names(["dog", "cats"])

    found = locator.locate(picture(), question, min_score=0.1, nms=0.6)

    assert len(found.scores) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.phrases) <= {0, 1}
    assert found.corners.min() >= 0
    assert found.corners[:, 2].max() <= 400
    assert found.corners[:, 3].max() <= 30


def test_a_higher_threshold_only_leaves_boxes_out(folder: Path) -> None:
    locator = load_locator(open_locator(folder), "cpu")
    question = Question.of_names(["dog"])
    many = locator.locate(picture(), question, min_score=0.0, nms=0.6)
    limit = float(np.median(many.scores))

    few = locator.locate(picture(), question, min_score=limit, nms=0.6)

    assert (few.scores == many.scores[many.scores > limit]).all()


def test_a_phrase_is_its_tokens_in_the_sentence(folder: Path) -> None:
    tokenizer = WordPiece(folder / "vocab.txt", 60)
    sentence = "A dog on the frisbee"
    spans = [(0, 5), (9, 20)]

    (caption,) = tokenizer.captions(Question.of_sentence(sentence, spans))

    assert [WORDS[i] for i in caption.ids] == [
        *("[CLS]", "a", "dog", "on", "the", "fris", "##bee", "[SEP]")
    ]
    assert caption.tokens == ((1, 2), (4, 5, 6))


def test_many_names_are_cut_into_captions_that_fit(folder: Path) -> None:
    tokenizer = WordPiece(folder / "vocab.txt", 60)
    names = [f"word{i % 43} word{i % 7} word{i % 5}" for i in range(200)]

    captions = tokenizer.captions(Question.of_names(names))

    assert all(len(caption.ids) <= 256 for caption in captions)
    assert [p for caption in captions for p in caption.phrases] == list(range(200))
    assert all(len(t) == 3 for caption in captions for t in caption.tokens)


def test_eighty_short_names_are_one_caption(folder: Path) -> None:
    tokenizer = WordPiece(folder / "vocab.txt", 60)

    captions = tokenizer.captions(Question.of_names(["dog"] * 80))

    assert len(captions) == 1


def test_a_name_longer_than_the_model_reads_is_refused(folder: Path) -> None:
    tokenizer = WordPiece(folder / "vocab.txt", 60)

    with pytest.raises(UsageError, match="302 tokens, and GLIP reads 256"):
        tokenizer.captions(Question.of_names(["dog", "dog " * 300]))


def test_a_vocabulary_of_another_model_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS[:30]) + "\n", encoding="utf-8")

    with pytest.raises(ModelError, match="has 30 tokens, the text tower 60"):
        load_locator(open_locator(folder), "cpu")


def test_a_file_without_a_vocabulary_says_which_one_is_missing(folder: Path) -> None:
    (folder / "vocab.txt").unlink()

    with pytest.raises(ModelError, match="its vocabulary is missing") as caught:
        open_locator(folder)

    assert "bert-base-uncased" in str(caught.value.hint)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_weights_that_do_not_fit_exactly_are_refused(folder: Path, fault: str) -> None:
    state = weights(architecture(is_fused=True))
    name = "rpn.head.dyhead_tower.2.offset.bias"
    if fault == "missing":
        del state[name]
    elif fault == "unexpected":
        state["rpn.head.mask.weight"] = torch.zeros(3)
    else:
        state[name] = torch.zeros(18)
    torch.save(released(state), folder / "glip_small.pth")

    with pytest.raises(ModelError, match="does not fit the architecture"):
        load_locator(open_locator(folder), "cpu")


def test_a_file_that_is_no_locator_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"visual.conv1.weight": torch.zeros(3)}, tmp_path / "clip.pt")

    with pytest.raises(ModelError, match=r"no model that locates.*visual\.conv1\.weight"):
        open_locator(tmp_path / "clip.pt")
