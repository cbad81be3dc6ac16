from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clipcli.training.losses import (
    contrastive_loss,
    masked_cross_entropy,
    sigmoid_loss,
    token_loss,
    token_similarities,
    top1,
)


def unit_rows(n: int, d: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=draw), dim=1)


def test_contrastive_loss_by_hand() -> None:
    # Cosines [[1, 0], [0.6, 0.8]] at scale 2. Row 1: ln(1 + e^-2); row 2: ln(1 + e^-0.4);
    # column 1: ln(1 + e^-0.8); column 2: ln(1 + e^-1.6).
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    texts = torch.eye(2)
    expected = sum(math.log1p(math.exp(-x)) for x in (2.0, 0.4, 0.8, 1.6)) / 4

    loss = contrastive_loss(images, texts, torch.tensor(2.0), torch.tensor([0, 1]), "negatives")

    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_contrastive_loss_equals_transformers() -> None:
    clip = pytest.importorskip("transformers.models.clip.modeling_clip")
    images, texts = unit_rows(9, 5, seed=1), unit_rows(9, 5, seed=2)
    expected = clip.image_text_contrastive_loss(20 * texts @ images.T)

    loss = contrastive_loss(images, texts, torch.tensor(20.0), torch.arange(9), "negatives")

    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_equal_captions_share_the_target() -> None:
    # Both texts are equal and so are the logits: each right answer has probability 1/2, and both
    # are right, so the cross-entropy is ln 2 in rows and columns.
    images, texts = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rows, columns = math.log(2), (math.log1p(math.exp(1)) + math.log1p(math.exp(-1))) / 2

    loss = contrastive_loss(images, texts, torch.tensor(1.0), torch.tensor([3, 3]), "positives")

    assert loss.item() == pytest.approx((rows + columns) / 2, rel=1e-6)


def test_masked_equal_captions_leave_nothing_to_tell_apart() -> None:
    images, texts = unit_rows(2, 4, seed=1), unit_rows(2, 4, seed=2)

    loss = contrastive_loss(images, texts, torch.tensor(9.0), torch.tensor([0, 0]), "mask")

    assert loss.item() == 0.0


@pytest.mark.parametrize("equal_captions", ["positives", "mask"])
def test_options_agree_where_all_captions_differ(equal_captions: str) -> None:
    images, texts, scale = unit_rows(6, 4, seed=1), unit_rows(6, 4, seed=2), torch.tensor(7.0)
    plain = contrastive_loss(images, texts, scale, torch.arange(6), "negatives")

    loss = contrastive_loss(images, texts, scale, torch.arange(6), equal_captions)  # type: ignore[arg-type]

    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize("equal_captions", ["positives", "mask", "negatives"])
def test_gradients_are_finite_with_equal_captions(equal_captions: str) -> None:
    images, texts = unit_rows(4, 3, seed=1).requires_grad_(), unit_rows(4, 3, seed=2)
    groups = torch.tensor([0, 0, 1, 0])

    contrastive_loss(images, texts, torch.tensor(5.0), groups, equal_captions).backward()  # type: ignore[arg-type, no-untyped-call]

    assert images.grad is not None
    assert images.grad.isfinite().all()


def test_order_of_pairs_does_not_matter() -> None:
    images, texts, scale = unit_rows(6, 4, seed=1), unit_rows(6, 4, seed=2), torch.tensor(7.0)
    groups, shuffle = torch.tensor([0, 1, 0, 2, 3, 3]), torch.tensor([4, 2, 0, 5, 1, 3])

    loss = contrastive_loss(images, texts, scale, groups, "positives")
    shuffled = contrastive_loss(
        images[shuffle], texts[shuffle], scale, groups[shuffle], "positives"
    )

    assert loss.item() == pytest.approx(shuffled.item(), rel=1e-6)


@pytest.mark.parametrize("equal_captions", ["positives", "mask", "negatives"])
def test_rows_and_columns_count_alike(equal_captions: str) -> None:
    images, texts = unit_rows(6, 4, seed=1), unit_rows(6, 4, seed=2)
    groups, scale, bias = torch.tensor([0, 1, 0, 2, 2, 2]), torch.tensor(7.0), torch.tensor(-3.0)

    softmax = [
        contrastive_loss(*sides, scale, groups, equal_captions).item()  # type: ignore[arg-type]
        for sides in ((images, texts), (texts, images))
    ]
    sigmoid = [
        sigmoid_loss(*sides, scale, bias, groups, equal_captions).item()  # type: ignore[arg-type]
        for sides in ((images, texts), (texts, images))
    ]

    assert softmax[0] == pytest.approx(softmax[1], rel=1e-6)
    assert sigmoid[0] == pytest.approx(sigmoid[1], rel=1e-6)


def test_sigmoid_loss_by_hand() -> None:
    # Cosines [[1, 0], [0.6, 0.8]] at scale 2 and bias -1: logits [[1, -1], [0.2, 0.6]]. The pairs'
    # own are asked for with +, the others with -; the sum is shared among two pictures.
    images, texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.eye(2)
    scale, bias, apart = torch.tensor(2.0), torch.tensor(-1.0), torch.tensor([0, 1])
    expected = sum(math.log1p(math.exp(-x)) for x in (1.0, 1.0, -0.2, 0.6)) / 2

    loss = sigmoid_loss(images, texts, scale, bias, apart, "negatives")

    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("equal_captions", "signs"),
    [("positives", (1, 1, 1, 1)), ("mask", (1, 0, 0, 1)), ("negatives", (1, -1, -1, 1))],
)
def test_sigmoid_loss_of_equal_captions_by_hand(
    equal_captions: str, signs: tuple[int, ...]
) -> None:
    # Logits [[1, 1], [0.2, 0.2]]: both captions are the same; 0 is a pair that is left out.
    images, texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    scale, bias, same = torch.tensor(2.0), torch.tensor(-1.0), torch.tensor([5, 5])
    logits = (1.0, 1.0, 0.2, 0.2)
    asked = [(sign, x) for sign, x in zip(signs, logits, strict=True) if sign]
    expected = sum(math.log1p(math.exp(-sign * x)) for sign, x in asked) / 2

    loss = sigmoid_loss(images, texts, scale, bias, same, equal_captions)  # type: ignore[arg-type]

    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_sigmoid_loss_equals_transformers() -> None:
    siglip = pytest.importorskip("transformers.models.siglip")
    tower = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    config = siglip.SiglipConfig(
        text_config={"vocab_size": 9, "projection_size": 8, "max_position_embeddings": 4} | tower,
        vision_config={"image_size": 4, "patch_size": 2} | tower,
    )
    reference = siglip.SiglipModel(config).eval()
    pixels, tokens = torch.randn(6, 3, 4, 4), torch.randint(9, (6, 4))
    with torch.no_grad():
        reference.logit_scale.fill_(math.log(10))
        reference.logit_bias.fill_(-10)
        told = reference(input_ids=tokens, pixel_values=pixels, return_loss=True)
    scale, bias, apart = torch.tensor(10.0), torch.tensor(-10.0), torch.arange(6)

    loss = sigmoid_loss(told.image_embeds, told.text_embeds, scale, bias, apart, "negatives")

    assert loss.item() == pytest.approx(told.loss.item(), rel=1e-5)


def test_masked_cross_entropy_leaves_out_what_is_ignored() -> None:
    logits = torch.tensor([[1.0, 2.0, 9.0]])
    ignored = torch.tensor([[False, False, True]])

    loss = masked_cross_entropy(logits, torch.tensor([0]), ignored)

    assert loss.item() == pytest.approx(math.log1p(math.exp(1.0)), rel=1e-6)


def test_masked_cross_entropy_never_ignores_the_target() -> None:
    logits, ignored = torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]])

    loss = masked_cross_entropy(logits, torch.tensor([0]), ignored)

    assert loss.item() == pytest.approx(math.log1p(math.exp(1.0)), rel=1e-6)


def test_top1_counts_rows_whose_target_wins() -> None:
    logits = torch.tensor([[3.0, 1.0, 5.0], [0.0, 2.0, 1.0]])
    ignored = torch.tensor([[False, False, True], [False, False, False]])

    assert top1(logits, torch.tensor([0, 0])).item() == 0.0
    assert top1(logits, torch.tensor([0, 0]), ignored).item() == 0.5


def parts(n: int, length: int, seed: int) -> torch.Tensor:
    return unit_rows(n * length, 5, seed).view(n, length, 5)


def test_token_similarities_are_a_plain_loop() -> None:
    places, words = parts(3, 4, seed=1), parts(2, 6, seed=2)
    is_word = torch.tensor([[True] * 6, [True, True, False, False, False, False]])

    by_picture, by_caption = token_similarities(places, words, is_word)

    for i in range(3):
        for j in range(2):
            there = [k for k in range(6) if is_word[j, k]]
            table = [[float(places[i, p] @ words[j, k]) for k in there] for p in range(4)]
            picture = sum(max(row) for row in table) / 4
            caption = sum(max(column) for column in zip(*table, strict=True)) / len(there)
            assert by_picture[i, j].item() == pytest.approx(picture, abs=1e-6)
            assert by_caption[i, j].item() == pytest.approx(caption, abs=1e-6)


def test_token_loss_of_single_parts_is_the_contrastive_loss() -> None:
    images, texts, scale = unit_rows(6, 4, seed=1), unit_rows(6, 4, seed=2), torch.tensor(7.0)
    groups = torch.tensor([0, 1, 2, 0, 3, 4])

    loss = token_loss(
        images[:, None], texts[:, None], torch.ones(6, 1, dtype=torch.bool), scale, groups, "mask"
    )

    expected = contrastive_loss(images, texts, scale, groups, "mask")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_padding_has_no_part_in_the_token_loss() -> None:
    places, words, scale = parts(4, 3, seed=1), parts(4, 5, seed=2), torch.tensor(5.0)
    is_word = torch.arange(5) < torch.tensor([[2], [5], [3], [1]])
    others = torch.where(is_word[:, :, None], words, parts(4, 5, seed=3))

    losses = [
        token_loss(places, each, is_word, scale, torch.arange(4), "negatives").item()
        for each in (words, others)
    ]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
