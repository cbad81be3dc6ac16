"""Packed blocks: the same numbers as the plain ones, to the rounding of bf16."""

from __future__ import annotations

import copy
import types

import pytest
import torch
from torch import nn

from clipcli.encoder.torch import packed
from clipcli.encoder.torch.packed import PackedBlock, can_pack, pack_blocks
from clipcli.encoder.torch.transformer import Transformer
from clipcli.models.config import Activation

needs_operators = pytest.mark.skipif(not can_pack(), reason="this torch has no such operators")


def transformer(activation: Activation, *, is_causal: bool = False) -> Transformer:
    torch.manual_seed(0)
    plain = Transformer(64, 3, 4, 160, activation, is_causal=is_causal)
    for block in plain.resblocks:  # biases start at zero, and a lost one would not show
        for layer in (block.attn.out_proj, block.mlp.c_fc, block.mlp.c_proj):
            nn.init.normal_(layer.bias)
        nn.init.normal_(block.attn.in_proj_bias)
    return plain.to(torch.bfloat16).eval()


@needs_operators
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_packed_blocks_equal_plain_ones_to_rounding(
    activation: Activation, is_causal: bool
) -> None:
    plain = transformer(activation, is_causal=is_causal)
    tower = nn.Sequential(copy.deepcopy(plain))
    x = torch.randn(3, 7, 64, dtype=torch.bfloat16)
    with torch.inference_mode():
        exact = copy.deepcopy(plain).float()(x.float())

        was_packed = pack_blocks(tower)

        off_packed = (tower(x).float() - exact).abs().mean()
        off_plain = (plain(x).float() - exact).abs().mean()
    assert was_packed
    assert all(isinstance(block, PackedBlock) for block in tower[0].resblocks)
    assert off_packed < 1.3 * off_plain  # both round; neither more than the other
    assert off_packed > 0


@pytest.mark.parametrize("packed_too", [False, pytest.param(True, marks=needs_operators)])
def test_the_first_token_alone_is_what_it_is_among_all(packed_too: bool) -> None:
    tower = nn.Sequential(transformer("quick_gelu"))
    if packed_too:
        assert pack_blocks(tower)
    else:
        tower = tower.float()
    x = torch.randn(3, 7, 64, dtype=torch.bfloat16 if packed_too else torch.float32)
    widths: list[int] = []
    tower[0].resblocks[-1].ln_2.register_forward_hook(
        lambda _module, _given, made: widths.append(made.shape[1])
    )
    with torch.inference_mode():
        among_all = tower[0](x)[:, 0]

        alone = tower[0].read_first(x)

    torch.testing.assert_close(alone, among_all, atol=1e-5, rtol=1e-5 if not packed_too else 0.02)
    assert widths == [7, 1]  # what nobody reads goes through no perceptron


@needs_operators
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_tanh"])
def test_a_stream_in_fp32_leaves_a_fraction_of_the_error(activation: Activation) -> None:
    plain = transformer(activation).float()
    tower = nn.Sequential(copy.deepcopy(plain))
    x = 20 * torch.randn(3, 7, 64)  # a stream that is large beside what is added to it
    with torch.inference_mode():
        exact = plain(x)

        assert pack_blocks(tower)

        found = tower(x)
        off_plain = (copy.deepcopy(plain).bfloat16()(x.bfloat16()).float() - exact).abs().mean()
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().mean() < 0.5 * off_plain


def test_without_the_operators_blocks_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    tower = nn.Sequential(transformer("gelu"))
    before = list(tower[0].resblocks)
    without = types.SimpleNamespace(mkldnn=types.SimpleNamespace())
    monkeypatch.setattr(packed.torch, "ops", without)

    assert not pack_blocks(tower)
    assert list(tower[0].resblocks) == before
