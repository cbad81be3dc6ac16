"""This file knows about where results come from: what a result file says of its making."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from clipcli.encoder import TEXT_PRECISION
from clipcli.results import Provenance
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.classifier import Classifier
    from clipcli.encoder import Encoder

# What numbers depend on, besides our own code.
PACKAGES = ("torch", "numpy", "pillow", "ftfy", "regex", "safetensors")


def versions() -> dict[str, str]:
    """Return the versions that matter, without importing anything heavy."""
    found = {"clipcli": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def now() -> str:
    """Return the present moment in ISO 8601, to the second, with the offset from UTC."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def describe(classifier: Classifier, started: str, counts: dict[str, int]) -> Provenance:
    """Return the provenance of a run that is over."""
    encoder, label_set = classifier.encoder, classifier.label_set
    is_loaded = counts["ok"] > 0  # else nothing ran on any device
    return Provenance(
        model=encoder.config.name,
        fingerprint=encoder.config.fingerprint,
        label_set=label_set.name,
        label_set_hash=label_set.hash,
        templates=classifier.templates,
        device=encoder.device if is_loaded else "",
        precision=encoder.precision if is_loaded else "",
        text_precision=TEXT_PRECISION,
        exact=classifier.options.exact,
        top_k=classifier.top_k,
        min_prob=classifier.min_prob,
        probability_kind=encoder.config.scoring,
        logit_scale=classifier.logit_scale,
        versions=versions(),
        started=started,
        finished=now(),
        counts=counts,
    )


def describe_vectors(
    encoder: Encoder, started: str, counts: dict[str, int], *, is_exact: bool
) -> dict[str, Any]:
    """Return the provenance of a file of image vectors."""
    is_loaded = counts["ok"] > 0
    return {
        "model": encoder.config.name,
        "fingerprint": encoder.config.fingerprint,
        "device": encoder.device if is_loaded else "",
        "precision": encoder.precision if is_loaded else "",
        "exact": is_exact,
        "versions": versions(),
        "started": started,
        "finished": now(),
        "counts": counts,
    }
