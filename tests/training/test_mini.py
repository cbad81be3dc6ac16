"""Text targets: which texts have a vector, and where it is once it may move."""

from __future__ import annotations

import torch

from clipcli.training.mini import SHIFT_UNIT, TargetTable, TextVectors

EAST, NORTH = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def test_only_the_texts_with_a_row_of_the_shift_move() -> None:
    vectors = TextVectors(["cat", "dog", "owl"], torch.stack([EAST, EAST, EAST]), "here")
    shift = NORTH[None] / SHIFT_UNIT  # one row: the number 0 alone

    moved = vectors.moved({"cat": 0, "dog": 1}, shift)

    rows = moved.means([["cat"], ["dog"], ["owl"]])
    torch.testing.assert_close(rows[0], torch.tensor([0.5**0.5, 0.5**0.5]))
    torch.testing.assert_close(rows[1:], torch.stack([EAST, EAST]))


def test_a_table_moves_its_first_rows_and_keeps_them_unit() -> None:
    table = TargetTable(torch.stack([EAST, NORTH]), torch.eye(2).bool(), {}, {}, 1, {"cat": 0})

    moved = table.moved(torch.tensor([[0.0, 0.75 / SHIFT_UNIT]]))

    torch.testing.assert_close(moved[0], torch.tensor([0.8, 0.6]))  # 3, 4, 5
    torch.testing.assert_close(moved[1], NORTH)
