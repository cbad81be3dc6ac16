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
class Choice:
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


def choose(samples: Samples, zero_shot: Linear | None) -> Choice:
    """Return the strength, and the share beside a zero-shot classifier, that do best."""
    if not samples.folds:
        return Choice(DEFAULT_STRENGTH, DEFAULT_SHARE if zero_shot else 1.0)
    tried: dict[float, Choice] = {}

    def best_at(power: float) -> Choice:
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


def _best_share(samples: Samples, zero_shot: Linear | None, strength: float) -> Choice:
    fitted = [fit(samples.images[part], samples.truth[part], strength) for part, _ in samples.folds]
    choices = list(_choices(samples, fitted, zero_shot, strength))
    return max(choices, key=_key)


def _choices(
    samples: Samples, fitted: Sequence[Linear], zero_shot: Linear | None, strength: float
) -> Iterator[Choice]:
    if zero_shot is None:
        yield Choice(strength, 1.0, samples.judge(fitted))
        return
    for share in SHARES:
        mixed = [zero_shot.mixed(one, share) for one in fitted]
        yield Choice(strength, share, samples.judge(mixed))


def _key(choice: Choice) -> tuple[float, float]:
    assert choice.verdict is not None
    return choice.verdict.key
