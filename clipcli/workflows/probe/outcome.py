"""A whole fit: from vectors with labels to a probe and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipcli.pipeline.probe import Probe
from clipcli.workflows.probe.choose import ProbeSettings, Samples, Verdict, choose, make_folds
from clipcli.workflows.probe.fit import Linear, Numbers, Places, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Labelled:
    """Pictures' vectors (n, d) and the places (n,) of their labels."""

    images: Numbers
    truth: Places


@dataclass(frozen=True, slots=True)
class ProbeOrigin:
    """Where a probe comes from."""

    labels: tuple[str, ...]
    model: str
    fingerprint: str
    precision: str
    extra: dict[str, Any]  # what goes into the probe's settings besides


@dataclass(frozen=True, slots=True)
class Outcome:
    """A probe, and what held-out pictures say of it and of the zero-shot classifier."""

    probe: Probe
    n_pictures: int
    n_held_out: int
    settings: ProbeSettings
    zero_shot: Verdict | None


def zero_shot_classifier(rows: NDArray[np.floating[Any]], logit_scale: float) -> Linear:
    """Return label rows (c, d) as a linear classifier of the model's own logits."""
    return Linear(rows.astype(np.float64) * logit_scale, np.zeros(len(rows)))


def fit_probe(
    pictures: Labelled,
    judging: Labelled | None,
    zero_shot: Linear | None,
    origin: ProbeOrigin,
    seed: int = 0,
) -> Outcome:
    """Choose the settings by held-out pictures, then fit on all.

    ``judging`` are the pictures to hold out; None: some of ``pictures``, in turn.
    """
    samples = _samples(pictures, judging, seed)
    chosen = choose(samples, zero_shot)
    fitted = fit(samples.images, samples.truth, chosen.strength)
    final = zero_shot.mixed(fitted, chosen.share) if zero_shot else fitted
    before = None
    if zero_shot and samples.folds:
        before = samples.judge([zero_shot] * len(samples.folds))
    n_held_out = sum(len(held_out) for _, held_out in samples.folds)
    settings = origin.extra | {
        "pictures": len(samples.truth),
        "held_out": n_held_out,
        "strength": chosen.strength,
        "share": chosen.share,
        "accuracy": chosen.verdict.accuracy if chosen.verdict else None,
        "zero_shot_accuracy": before.accuracy if before else None,
        "seed": seed,
    }
    probe = Probe(
        origin.labels,
        final.weights,
        final.biases,
        origin.model,
        origin.fingerprint,
        origin.precision,
        settings,
    )
    return Outcome(probe, len(samples.truth), n_held_out, chosen, before)


def _samples(pictures: Labelled, judging: Labelled | None, seed: int) -> Samples:
    if judging is None:
        return Samples(pictures.images, pictures.truth, make_folds(pictures.truth, seed))
    images = np.concatenate([pictures.images, judging.images])
    truth = np.concatenate([pictures.truth, judging.truth])
    places = np.arange(len(truth))
    n = len(pictures.truth)
    return Samples(images, truth, [(places[:n], places[n:])])


def labelled(rows: Sequence[NDArray[np.float32]], truth: Sequence[int]) -> Labelled:
    """Gather rows (d,) and places into one."""
    return Labelled(np.stack(rows).astype(np.float64), np.array(truth, np.intp))
