"""Names that are not equally frequent, and what evens that out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipcli.training.config import TargetsConfig, TrainingConfig
from clipcli.training.data.packed import Pairs
from clipcli.training.mini import Targets, TargetTable, balance_offsets
from clipcli.training.objectives import Batch

CAT, DOG, OWL, ANIMAL, RARE = range(5)


def make_pairs(*names: int, sources: list[str] | None = None) -> Pairs:
    """Return pictures of which each is one thing and, but for the rare, an animal."""
    return Pairs(
        pictures=np.zeros((len(names), 1, 1, 3), np.uint8),
        sources=sources or ["here"] * len(names),
        paths=[f"{i}.png" for i in range(len(names))],
        captions=[("rare",) if name == RARE else () for name in names],
        concepts=[() if name == RARE else (name, ANIMAL) for name in names],
        rows=np.arange(len(names)),
    )


def make_table() -> TargetTable:
    captions = {"rare": RARE}
    return TargetTable(torch.eye(5), torch.eye(5).bool(), captions, {}, RARE, captions)


def make_config(balance: float = 1.0, ancestors: float = 0.0) -> TrainingConfig:
    targets = TargetsConfig(balance=balance, ancestors=ancestors)
    return TrainingConfig(batch_size=8, targets=targets)


def test_offsets_are_logarithms_of_how_often_a_name_is_drawn() -> None:
    pairs = make_pairs(CAT, CAT, CAT, DOG, RARE)

    offsets = balance_offsets(pairs, make_table(), make_config(ancestors=0.5))

    # By hand: 1.5 cats, half a dog, two animals; owls count as a quarter of the mean of 1.
    assert offsets is not None
    torch.testing.assert_close(offsets[:RARE].exp(), torch.tensor([1.5, 0.5, 0.25, 2.0]) / 4)
    assert offsets[RARE].exp() == pytest.approx(1 / 8)  # one of its batch


def test_weights_of_sources_count() -> None:
    pairs = make_pairs(CAT, DOG, sources=["here", "there"])
    config = make_config()
    config.sources["there"] = 3.0

    offsets = balance_offsets(pairs, make_table(), config)

    assert offsets is not None
    assert (offsets[DOG] - offsets[CAT]).exp() == pytest.approx(3.0)


def test_half_a_balance_is_half_the_logarithm() -> None:
    pairs = make_pairs(CAT, DOG, DOG, DOG)

    whole = balance_offsets(pairs, make_table(), make_config(1.0))
    half = balance_offsets(pairs, make_table(), make_config(0.5))

    assert whole is not None
    assert half is not None
    torch.testing.assert_close(half, whole / 2)
    assert balance_offsets(pairs, make_table(), make_config(0.0)) is None


@pytest.mark.parametrize(("balance", "cats"), [(0.0, 0.9), (1.0, 0.5)])
def test_pictures_that_look_alike_get_even_odds_when_balanced(balance: float, cats: float) -> None:
    pairs = make_pairs(*[CAT] * 9, DOG)
    config = make_config(balance)
    angle = torch.zeros((), requires_grad=True)
    objective = Targets(
        pairs, make_table(), config.targets, balance_offsets(pairs, make_table(), config)
    )
    step = torch.optim.LBFGS([angle], max_iter=50)

    def closure() -> torch.Tensor:
        step.zero_grad()
        loss, _ = objective(Looking(angle), make_batch(len(pairs)))  # type: ignore[arg-type]
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    step.step(closure)  # type: ignore[no-untyped-call]

    seen = Looking(angle).images(torch.zeros(1, 3, 1, 1))[0][0]  # (5,)
    odds = (config.targets.scale * seen[[CAT, DOG]]).softmax(dim=0)
    assert odds[0].item() == pytest.approx(cats, abs=0.01)


class Looking:
    """A network that sees the same in every picture: something between a cat and a dog."""

    def __init__(self, angle: torch.Tensor) -> None:
        self.angle = angle
        self.student = type("Student", (), {"text_shift": None})

    def images(self, pixels: torch.Tensor) -> tuple[torch.Tensor, None]:
        x = torch.zeros(5)
        x[CAT] = 1.0
        y = torch.zeros(5)
        y[DOG] = 1.0
        turned = self.angle + torch.pi / 4
        return (torch.cos(turned) * x + torch.sin(turned) * y).expand(len(pixels), 5), None


def make_batch(n: int) -> Batch:
    return Batch(torch.zeros(n, 3, 1, 1), np.arange(n), slice(0, n), np.random.default_rng(0))
