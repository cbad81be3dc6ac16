"""Laws of the whole network that need no reference."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.resize import resize_positions, resized_architecture
from clipcli.models.config import Architecture

from .conftest import ARCHITECTURES, random_tokens


def pictures(model: CLIP, n: int = 2) -> torch.Tensor:
    size = model.architecture.image.image_size
    return torch.randn(n, 3, size, size)


def test_padding_and_what_follows_the_end_of_the_text_change_nothing(model: CLIP) -> None:
    vocab_size = model.architecture.text.vocab_size
    tokens = random_tokens(3, 8, vocab_size)
    padded = F.pad(tokens, (0, 12))
    scribbled = torch.where(padded == 0, 5, padded)

    with torch.inference_mode():
        trimmed, whole, other = map(model.encode_text, (tokens, padded, scribbled))

    torch.testing.assert_close(trimmed, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(other, whole, atol=1e-6, rtol=1e-5)


def test_what_stands_before_the_end_of_the_text_matters(model: CLIP) -> None:
    tokens = random_tokens(1, 8, model.architecture.text.vocab_size)
    changed = tokens.clone()
    changed[0, 1] += 1

    with torch.inference_mode():
        difference = (model.encode_text(tokens) - model.encode_text(changed)).abs().max()

    assert difference > 1e-3


def test_logits_are_scaled_similarities_plus_the_bias(model: CLIP) -> None:
    pixels, tokens = pictures(model), random_tokens(3, 8, model.architecture.text.vocab_size)
    bias = 0.0 if model.logit_bias is None else model.logit_bias.item()

    with torch.inference_mode():
        logits = model(pixels, tokens)
        images, texts = model.encode_image(pixels), model.encode_text(tokens)

    similarities = F.cosine_similarity(images[:, None], texts[None], dim=2)
    scale = math.exp(model.logit_scale.item())
    torch.testing.assert_close(logits, scale * similarities + bias, atol=1e-4, rtol=0)


def test_a_fresh_model_has_the_papers_temperature(architecture: Architecture) -> None:
    model = CLIP(architecture)

    scale = model.logit_scale.exp().item()

    assert scale == pytest.approx(1 / 0.07)
    assert (model.logit_bias is not None) == architecture.logit_bias


def test_every_parameter_learns(model: CLIP) -> None:
    pixels, tokens = pictures(model), random_tokens(2, 8, model.architecture.text.vocab_size)

    model.train()(pixels, tokens).pow(2).sum().backward()

    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", ["sigmoid", "resnet"])
def test_compiles_in_one_graph(name: str) -> None:
    model = CLIP(ARCHITECTURES[name]).eval()
    pixels, tokens = pictures(model), random_tokens(2, 8, model.architecture.text.vocab_size)
    compiled = torch.compile(model, backend="eager", fullgraph=True)

    with torch.inference_mode():
        logits = compiled(pixels, tokens)

        torch.testing.assert_close(logits, model(pixels, tokens), atol=1e-5, rtol=0)


def test_channels_last_and_autocast_change_nothing_but_rounding(model: CLIP) -> None:
    pixels = pictures(model)

    with torch.inference_mode():
        expected = model.encode_image(pixels)
        other_order = model.encode_image(pixels.contiguous(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model.encode_image(pixels)

    torch.testing.assert_close(other_order, expected, atol=1e-5, rtol=1e-4)
    assert rounded.dtype == torch.bfloat16
    assert F.cosine_similarity(rounded.float(), expected).min() >= 0.999


def test_positions_stretch_to_another_picture_size(architecture: Architecture) -> None:
    model = CLIP(architecture)
    size = architecture.image.image_size * 2

    original = model.state_dict()
    state = resize_positions(original, architecture, size)
    larger = CLIP(resized_architecture(architecture, size))
    larger.load_state_dict(state)

    assert larger.encode_image(torch.randn(1, 3, size, size)).shape == (1, 24)
    assert state["ln_final.weight"] is original["ln_final.weight"]


@pytest.mark.parametrize(
    ("name", "key"),
    [("vit", "visual.positional_embedding"), ("resnet", "visual.attnpool.positional_embedding")],
)
def test_stretched_positions_keep_the_first_row_and_a_slope(name: str, key: str) -> None:
    architecture = ARCHITECTURES[name]
    state = CLIP(architecture).state_dict()
    grid = math.isqrt(len(state[key]) - 1)
    slope = torch.arange(grid).repeat_interleave(grid).float()  # its row in the picture
    state[key] = torch.cat([torch.full((1,), 9.0), slope])[:, None].expand_as(state[key]).clone()

    resized = resize_positions(state, architecture, architecture.image.image_size * 4)[key]

    assert resized[0].unique().item() == 9
    picture = resized[1:, 0].view(4 * grid, 4 * grid)
    assert (picture.std(dim=1) < 1e-5).all()  # along a row nothing changes
    inner = picture[8:-8, 0] if grid > 4 else picture[:, 0]
    assert (inner.diff() > -1e-6).all()  # down a column it rises


def test_the_same_picture_size_changes_no_position(architecture: Architecture) -> None:
    state = CLIP(architecture).state_dict()

    resized = resize_positions(state, architecture, architecture.image.image_size)

    assert all(resized[name] is tensor for name, tensor in state.items())
