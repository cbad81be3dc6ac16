"""Grounding DINO, MM-Grounding-DINO and LLMDet against transformers, with random weights."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.grounding_runner import (
    GroundingRunner,
    input_size,
    phrases_apart,
)
from clipcli.encoder.torch.locators.multiscale import Maps, look_up
from clipcli.models.locators.source import open_locator

from .grounding_toys import LONG, SHORT, build, vocabulary, write
from .test_owl import photo

transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

TOLERANCE = 1e-4
NAMES = ["Cat", "dogs", "remote control"]
SINGLE = ["cat", "dog", "red"]  # a token each
DELIMITERS = [101, 102, 1012, 1029]


@pytest.fixture(scope="module", params=["tiny", "large", "original"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a reference and our runner with its weights."""
    folder = tmp_path_factory.mktemp(request.param)
    model = build(request.param)
    write(model, folder)
    runner = load_locator(open_locator(folder), "cpu", "fp32")
    assert isinstance(runner, GroundingRunner)
    return model, runner, folder


def processor(folder: Path) -> Any:
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    pictures = GroundingDinoImageProcessorPil.from_pretrained(folder)
    words = transformers.BertTokenizer(str(folder / "vocab.txt"))
    return transformers.GroundingDinoProcessor(pictures, words)


def reference(model: Any, folder: Path, picture: Any, text: Any) -> Any:
    with torch.no_grad():
        return model(**processor(folder)(Image.fromarray(picture), text=text, return_tensors="pt"))


@torch.inference_mode()
def read(runner: GroundingRunner, picture: Any, question: Question) -> tuple[Any, Any, Any]:
    ((caption, text),) = runner.asked.captions(question)
    scene = runner._network.encode_image(torch.from_numpy(runner.pixels(picture)))
    return caption, *runner._network.read(scene, text)


@pytest.mark.parametrize("shape", [(200, 90), (90, 180), (96, 96), (70, 130)])
def test_logits_and_boxes_are_the_references(pair: Any, shape: tuple[int, int]) -> None:
    model, runner, folder = pair
    picture = photo(*shape)

    caption, logits, boxes = read(runner, picture, Question.of_names(NAMES))

    told = reference(model, folder, picture, [NAMES])
    assert list(caption.ids) == told.input_ids[0].tolist()
    assert caption.tokens == ((1,), (3, 4), (6, 7))
    assert logits.shape == (40, len(caption.ids))
    assert float((logits - told.logits[0, :, : len(caption.ids)]).abs().max()) < TOLERANCE
    assert float((boxes - told.pred_boxes[0]).abs().max()) < TOLERANCE
    assert float(logits.std()) > 0.1  # the test would see a difference
    assert float(boxes[:, :2].std()) > 0.1


def test_a_sentence_is_read_as_it_is(pair: Any) -> None:
    model, runner, folder = pair
    picture, sentence = photo(150, 100), "a cat on grass. a red dog."
    spans = [(0, 14), (16, 25)]

    caption, logits, _ = read(runner, picture, Question.of_sentence(sentence, spans))

    told = reference(model, folder, picture, sentence)
    assert list(caption.ids) == told.input_ids[0].tolist()
    assert caption.tokens == ((1, 2, 3, 4), (6, 7, 8))
    assert float((logits - told.logits[0, :, : len(caption.ids)]).abs().max()) < TOLERANCE


def test_found_boxes_are_those_of_the_references_processor(pair: Any) -> None:
    model, runner, folder = pair
    picture = photo(180, 110)
    told = reference(model, folder, picture, [SINGLE])
    # Every box to its best word, but never to a full stop, which random weights like as well.
    words = [1, 3, 5]
    others = [i for i in range(told.logits.shape[2]) if i not in words]
    told.logits[:, :, others] = -torch.inf
    (expected,) = processor(folder).post_process_grounded_object_detection(
        told, threshold=0.0, text_threshold=1.0, target_sizes=[(110, 180)]
    )

    found = runner.locate(picture, Question.of_names(SINGLE), min_score=0.0, nms=1.0)

    best = np.maximum.reduceat(  # the best word's score of each box
        found.scores[np.lexsort(found.corners.T)],
        np.arange(0, len(found.scores), len(SINGLE)),
    )
    corners = np.unique(np.round(found.corners, 3), axis=0)
    clipped = np.clip(expected["boxes"].numpy(), 0, [180, 110, 180, 110])
    assert len(found.scores) == 40 * len(SINGLE)
    assert np.abs(np.sort(best) - np.sort(expected["scores"].numpy())).max() < TOLERANCE
    assert len(corners) == len(clipped) == 40
    for box in clipped:
        assert np.abs(corners - box).max(axis=1).min() < TOLERANCE * 180
    assert (np.diff(found.scores) <= 0).all()


def test_a_phrase_of_several_words_scores_their_mean(pair: Any) -> None:
    _, runner, _ = pair
    picture, question = photo(120, 100), Question.of_names(NAMES)
    _, logits, _ = read(runner, picture, question)

    found = runner.locate(picture, question, min_score=0.0, nms=1.0)

    means = (logits[:, 6].sigmoid() + logits[:, 7].sigmoid()) / 2
    scores = np.sort(found.scores[found.phrases == 2])
    assert np.abs(scores - np.sort(means.numpy())).max() < 1e-6


def test_pixels_are_the_references(pair: Any) -> None:
    _, runner, folder = pair
    for picture in (photo(200, 90), photo(33, 47), photo(96, 300)):
        told = processor(folder).image_processor(Image.fromarray(picture), return_tensors="pt")

        assert np.abs(runner.pixels(picture) - told["pixel_values"].numpy()).max() < 1e-6


def test_sizes_are_the_references() -> None:
    from transformers.image_transforms import get_size_with_aspect_ratio

    sides = [1, 5, 16, 95, 96, 97, 111, 160, 161, 300, 799, 1333, 4000, 19_999]
    for height, width in itertools.product(sides, sides):
        told = get_size_with_aspect_ratio((height, width), SHORT, LONG)
        if 0 not in told:  # which the reference cannot resize to
            assert input_size(height, width, SHORT, LONG) == told, (height, width)


def test_phrases_are_kept_apart_as_in_the_reference() -> None:
    from transformers.models.grounding_dino.modeling_grounding_dino import (
        generate_masks_with_special_tokens_and_transfer_map as apart,
    )

    rng = np.random.default_rng(0)
    for length in (3, 4, 7, 30, 256):
        ids = [101, *rng.choice([7, 8, 1012, 1029], length - 2).tolist(), 102]
        told_mask, told_places = apart(torch.tensor([ids]), torch.tensor(DELIMITERS))

        mask, places = phrases_apart(ids, DELIMITERS)

        assert (mask == told_mask[0]).all()
        assert (places == told_places[0]).all()


def test_places_between_cells_are_looked_up_as_by_grid_sample() -> None:
    torch.manual_seed(0)
    sizes, heads, n, points = [(5, 7), (3, 2), (1, 1)], 2, 9, 4
    cells = torch.randn(sum(h * w for h, w in sizes), heads * 3)
    maps = Maps.of_sizes(sizes, torch.device("cpu"))
    reach = torch.tensor([[w, h] for h, w in sizes])[:, None]  # (levels, 1, 2)
    places = torch.rand(n, heads, 3, points, 2) * (reach + 6) - 3.5  # also far out of the maps
    places[0] = places[0].round()
    weights = torch.rand(n, heads, 3, points)

    found = look_up(maps.table(cells, heads), maps, places, weights)

    expected = torch.zeros(n, heads, 3)
    for level, ((height, width), part) in enumerate(
        zip(sizes, cells.split(maps.lengths), strict=True)
    ):
        grid = (places[:, :, level] * 2 + 1) / torch.tensor([width, height]) - 1
        for head in range(heads):
            image = part.view(height, width, heads, 3)[:, :, head].permute(2, 0, 1)[None]
            taken = F.grid_sample(image, grid[None, :, head], align_corners=False)[0]  # (3, n, p)
            expected[:, head] += (taken * weights[:, head, level]).sum(dim=2).T
    assert float((found - expected.flatten(1)).abs().max()) < 1e-5


def test_a_picture_with_fewer_cells_than_queries_has_boxes(pair: Any) -> None:
    _, runner, _ = pair
    picture = photo(4, 300)  # becomes 160 x 2: 20 + 10 + 5 + 3 cells, and 40 more in ``large``

    found = runner.locate(picture, Question.of_names(["cat"]), min_score=0.0, nms=1.0)

    n_cells = 38 if runner._network.shape.n_levels == 4 else 40
    assert len(found.scores) == n_cells
    assert np.isfinite(found.corners).all()
    assert found.corners[:, [0, 2]].max() <= 4


def test_many_names_are_asked_in_groups_and_answered_together(pair: Any) -> None:
    _, runner, _ = pair
    picture = photo(100, 140)
    names = [f"unused{i}" for i in range(300, 381)]  # 81: groups of 40, 40 and 1

    found = runner.locate(picture, Question.of_names(names), min_score=0.0, nms=1.0)

    parts = [names[:40], names[40:80], names[80:]]
    alone = [
        runner.locate(picture, Question.of_names(part), min_score=0.0, nms=1.0).scores
        for part in parts
    ]
    together = np.sort(np.concatenate(alone))[::-1]
    assert len(found.scores) == 300
    assert np.abs(found.scores - together[:300]).max() < 1e-6


def test_bf16_moves_scores_by_little(pair: Any, tmp_path: Path) -> None:
    model, runner, _ = pair
    write(model, tmp_path)
    low = load_locator(open_locator(tmp_path), "cpu", "bf16")
    picture, question = photo(160, 96), Question.of_names(SINGLE)

    exact = runner.locate(picture, question, min_score=0.0, nms=1.0)
    found = low.locate(picture, question, min_score=0.0, nms=1.0)

    assert low.precision == "bf16"
    assert np.abs(found.scores - exact.scores).mean() < 0.05
    assert (found.scores != exact.scores).any()


def test_words_are_those_of_the_vocabulary() -> None:
    words = vocabulary()

    assert [words[i] for i in DELIMITERS] == ["[CLS]", "[SEP]", ".", "?"]
