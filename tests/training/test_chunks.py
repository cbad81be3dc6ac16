"""A batch that is encoded in parts has the gradients of the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.models.config import Architecture, ModifiedResNet, TextTransformer, VisionTransformer
from clipcli.training.chunks import Towers, encode_in_chunks
from clipcli.training.losses import contrastive_loss, sigmoid_loss
from clipcli.training.student import Student

TEXT = TextTransformer(8, 30, 16, 1, 2, 16)
VIT = Architecture(8, VisionTransformer(16, 8, 16, 2, 2, 16), TEXT, "gelu", logit_bias=True)
RESNET = Architecture(8, ModifiedResNet(32, 4, (1, 1, 1, 1), 2), TEXT, "gelu", logit_bias=True)
N = 10


def plain_loss(towers: Towers, pixels: Tensor, tokens: Tensor) -> Tensor:
    images = F.normalize(towers.images(pixels)[0], dim=1)
    texts = F.normalize(towers.texts(tokens), dim=1)
    groups = torch.arange(N) // 2
    softmax = contrastive_loss(images, texts, towers.scale, groups, "positives")
    return softmax + sigmoid_loss(images, texts, towers.scale, towers.bias, groups, "positives")


def gradients(student: Student, chunk_size: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(5)
    size = student.architecture.image.image_size
    pixels = torch.randn((N, 3, size, size), generator=draw, dtype=torch.float64)
    tokens = torch.randint(30, (N, 8), generator=draw)
    student.zero_grad()
    plain_loss(Towers(student, student, chunk_size), pixels, tokens).backward()  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}


def make_student(architecture: Architecture) -> Student:
    torch.manual_seed(0)
    return Student(architecture).double().train()


@pytest.mark.parametrize("chunk_size", [1, 3, 10, 64])
def test_chunks_have_the_gradients_of_the_whole(chunk_size: int) -> None:
    student = make_student(VIT)

    whole, parts = gradients(student, 0), gradients(student, chunk_size)

    assert whole.keys() == parts.keys() == dict(student.named_parameters()).keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-6, atol=1e-12, msg=name)


def test_chunks_have_the_gradients_of_the_whole_where_batch_norms_keep_their_statistics() -> None:
    student = make_student(RESNET)
    student.frozen_statistics = True
    student.train()

    whole, parts = gradients(student, 0), gradients(student, 4)

    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-6, atol=1e-12, msg=name)


def test_batch_norms_see_a_chunk_and_remember_it_once() -> None:
    chunked, by_hand = make_student(RESNET), make_student(RESNET)
    pixels = torch.randn(N, 3, 32, 32, dtype=torch.float64)

    embeddings, _ = encode_in_chunks(chunked, chunked, pixels, 5)
    embeddings.sum().backward()  # type: ignore[no-untyped-call]
    expected = torch.cat([by_hand(part)[0] for part in pixels.split(5)])

    torch.testing.assert_close(embeddings, expected)
    name = "clip.visual.bn1.running_mean"
    torch.testing.assert_close(chunked.state_dict()[name], by_hand.state_dict()[name])


def test_the_classifier_of_the_trunk_is_chunked_as_well() -> None:
    torch.manual_seed(0)
    student = Student(VIT, 5)
    pixels = torch.randn(N, 3, 16, 16)

    whole, parts = student(pixels), encode_in_chunks(student, student, pixels, 4)

    torch.testing.assert_close(parts, whole)


def test_what_is_dropped_is_dropped_again_the_second_time() -> None:
    draw = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4))
    encode: Callable[[Tensor], tuple[Tensor, None]] = lambda x: (draw(x), None)  # noqa: E731
    x = torch.ones(8, 6, requires_grad=True)

    torch.manual_seed(1)
    rows, _ = encode_in_chunks(encode, draw, x, 3)
    rows.sum().backward()  # type: ignore[no-untyped-call]

    # With all inputs 1, an input's gradient is its share of its row: both passes must agree on
    # which inputs there are.
    seen = x.grad
    assert seen is not None
    bias = draw.get_parameter("1.bias").sum()
    torch.testing.assert_close(seen.sum(dim=1) + bias, rows.detach().sum(dim=1))
    assert 0 < (seen == 0).float().mean() < 1


def test_chunks_keep_nothing_but_the_pictures() -> None:
    student = make_student(replace(VIT, image=VisionTransformer(32, 8, 16, 3, 2, 16)))
    pixels = torch.randn(64, 3, 32, 32, dtype=torch.float64)
    kept: list[int] = []

    def count(x: Tensor) -> Tensor:
        kept[-1] += x.numel()
        return x

    for size in (0, 8):
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
            encode_in_chunks(student, student, pixels, size)

    assert kept[0] > 3 * pixels.numel()
    assert kept[1] <= pixels.numel()  # the pictures themselves
