from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.torch.text import TextTower
from clipcli.models.config import TextTransformer
from clipcli.training.text.init import fit_token_vectors, start_as_sum


def test_finds_the_vectors_that_made_the_texts() -> None:
    draw = torch.Generator().manual_seed(0)
    true = torch.randn((12, 5), generator=draw)
    ids = torch.randint(12, (300, 4), generator=draw)
    targets = true[ids].sum(dim=1) / 2  # 2: the root of four tokens

    found = fit_token_vectors(ids.tolist(), targets, torch.ones(300), 12, ridge=1e-6)

    torch.testing.assert_close(found, true, atol=1e-3, rtol=1e-3)


def test_tower_gives_the_direction_of_the_sum() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn((20, 30), generator=draw)
    vectors[[18, 19]] = 0  # start and end say nothing
    tower = TextTower(TextTransformer(8, 20, 32, 2, 2, 64), 30, "gelu")
    tokens = torch.tensor([[18, 3, 7, 19, 0], [18, 5, 5, 2, 19]])

    start_as_sum(tower, vectors)
    found = F.normalize(tower.encode_text(tokens), dim=1)

    wanted = F.normalize(torch.stack([vectors[[3, 7]].sum(0), vectors[[5, 5, 2]].sum(0)]), dim=1)
    assert (found * wanted).sum(dim=1).tolist() == pytest.approx([1, 1], abs=0.02)


def test_a_word_of_no_meaning_changes_little() -> None:
    draw = torch.Generator().manual_seed(1)
    vectors = torch.randn((20, 30), generator=draw)
    vectors[[4, 18, 19]] = 0
    tower = TextTower(TextTransformer(8, 20, 32, 2, 2, 64), 30, "gelu")

    start_as_sum(tower, vectors)
    alone, with_it = F.normalize(
        tower.encode_text(torch.tensor([[18, 3, 19, 0, 0], [18, 4, 4, 3, 19]])), dim=1
    )

    assert (alone @ with_it).item() > 0.98
