"""Choosing a probe's settings by pictures that were held out of the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipcli.vectors import softmax
from clipcli.workflows.probe.fit import Linear, Numbers, Places, fit

# The search of Radford et al. 2021, appendix A.3: from 1e-6 to 1e6 in steps of 100, then half the
# step around the best one, down to eight steps a decade.
STRENGTHS = tuple(range(-6, 7, 2))  # powers of ten
FINEST = 1 / 8
SHARES = tuple(i / 10 for i in range(11))  # of the fitted weights in the mix
# Where nothing can be held out; what does well with one picture a class, see bench_probe.py.
DEFAULT_STRENGTH = 10.0
DEFAULT_SHARE = 0.6
FOLDS = 5
# With more pictures than this, one held-out part tells enough: no need to fit five times.
MANY = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How good answers on held-out pictures are."""

    accuracy: float  # 0..1
    log_loss: float  # mean of -log(probability of the true label)

    @property
    def key(self) -> tuple[float, float]:
        """More is better."""
        return self.accuracy, -self.log_loss


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Settings, and what held-out pictures say of them; None where there were none."""

    strength: float
    share: float  # 0: all zero-shot, 1: all fitted
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Samples:
    """Pictures' unit rows (n, d) with the places (n,) of their labels, and how to part them."""

    images: Numbers
    truth: Places
    folds: Sequence[tuple[Places, Places]]  # what to fit on, what to judge by

    def judge(self, classifiers: Sequence[Linear]) -> Verdict:
        """Judge what each fold's classifier says of the fold's held-out pictures."""
        chances = []
        hits = []
        for classifier, (_, held_out) in zip(classifiers, self.folds, strict=True):
            logits = classifier.logits(self.images[held_out])  # (n', c)
            truth = self.truth[held_out]
            hits.append(logits.argmax(axis=1) == truth)
            chances.append(softmax(logits)[np.arange(len(truth)), truth])
        log_loss = -np.log(np.maximum(np.concatenate(chances), 1e-300)).mean()
        return Verdict(float(np.concatenate(hits).mean()), float(log_loss))


def choose(samples: Samples, zero_shot: Linear | None) -> ProbeSettings:
    """Return the strength, and the share beside a zero-shot classifier, that do best."""
    if not samples.folds:
        return ProbeSettings(DEFAULT_STRENGTH, DEFAULT_SHARE if zero_shot else 1.0)
    tried: dict[float, ProbeSettings] = {}

    def best_at(power: float) -> ProbeSettings:
        if power not in tried:
            tried[power] = _best_share(samples, zero_shot, 10.0**power)
        return tried[power]

    peak = max(map(float, STRENGTHS), key=lambda power: _key(best_at(power)))
    step = (STRENGTHS[1] - STRENGTHS[0]) / 2
    while step >= FINEST:
        near = [power for power in (peak - step, peak + step) if abs(power) <= STRENGTHS[-1]]
        peak = max([peak, *near], key=lambda power: _key(best_at(power)))
        step /= 2
    return tried[peak]


def _best_share(samples: Samples, zero_shot: Linear | None, strength: float) -> ProbeSettings:
    fitted = [fit(samples.images[part], samples.truth[part], strength) for part, _ in samples.folds]
    choices = list(_choices(samples, fitted, zero_shot, strength))
    return max(choices, key=_key)


def _choices(
    samples: Samples, fitted: Sequence[Linear], zero_shot: Linear | None, strength: float
) -> Iterator[ProbeSettings]:
    if zero_shot is None:
        yield ProbeSettings(strength, 1.0, samples.judge(fitted))
        return
    for share in SHARES:
        mixed = [zero_shot.mixed(one, share) for one in fitted]
        yield ProbeSettings(strength, share, samples.judge(mixed))


def _key(choice: ProbeSettings) -> tuple[float, float]:
    assert choice.verdict is not None
    return choice.verdict.key


def draw_shots(truth: Places, shots: int, seed: int) -> Places:
    """Return the places of up to so many pictures of each class of ``truth`` (n,), in order."""
    random = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(truth):
        mine = np.flatnonzero(truth == label)
        drawn.append(random.permutation(mine)[:shots])
    return np.sort(np.concatenate(drawn))


def make_folds(truth: Places, seed: int) -> list[tuple[Places, Places]]:
    """Return pairs of what to fit on and what to judge by; none where no class has two pictures.

    Each class is dealt out evenly. A class with one picture is always fitted on: a probe that has
    never seen it could only be wrong about it.
    """
    n_folds = min(FOLDS, int(np.bincount(truth).max(initial=0)))
    if n_folds < 2:
        return []
    parts = _deal(truth, n_folds, seed)  # (n,)
    folds = [(np.flatnonzero(parts != i), np.flatnonzero(parts == i)) for i in range(n_folds)]
    return folds[:1] if len(truth) > MANY else folds


def _deal(truth: Places, n_folds: int, seed: int) -> Places:
    """Return the fold of each picture; -1 where it is held out in none."""
    random = np.random.default_rng(seed)
    parts = np.full(len(truth), -1, np.intp)
    next_fold = 0
    for label in np.unique(truth):
        mine = random.permutation(np.flatnonzero(truth == label))
        if len(mine) > 1:
            # Subtle: classes go on where the last one stopped, or the first fold would get most.
            parts[mine] = (next_fold + np.arange(len(mine))) % n_folds
            next_fold += len(mine)
    return parts
