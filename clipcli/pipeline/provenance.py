"""Where results come from: what a result file says of its making."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from clipcli.encoder.encoder import TEXT_PRECISION
from clipcli.results import ProbabilityKind, Provenance
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.encoder.encoder import Encoder
    from clipcli.pipeline.classifier import Classifier

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
    device, precision = where_it_ran(encoder, classifier.image_cache, counts)
    return Provenance(
        model=encoder.config.name,
        fingerprint=encoder.config.fingerprint,
        label_set=label_set.name,
        label_set_hash=label_set.hash,
        templates=classifier.templates,
        device=device,
        precision=precision,
        text_precision=TEXT_PRECISION,
        exact=classifier.options.exact,
        top_k=classifier.top_k,
        min_prob=classifier.min_prob,
        probability_kind=_probability_kind(classifier),
        logit_scale=classifier.logit_scale,
        versions=versions(),
        started=started,
        finished=now(),
        counts=counts,
        temperature=classifier.calibration.temperature if classifier.calibration else 1.0,
        reject_threshold=classifier.reject_threshold,
        probe=classifier.probe.hash if classifier.probe else None,
        backend=encoder.note if encoder.is_loaded else "",
    )


def _probability_kind(classifier: Classifier) -> ProbabilityKind:
    if classifier.probe:
        return "probe"
    if classifier.independent:
        return "independent"
    return "calibrated" if classifier.calibration else classifier.encoder.config.scoring


def where_it_ran(encoder: Encoder, cache: ImageCache, counts: dict[str, int]) -> tuple[str, str]:
    """Return the device and precision of a run's vectors; ``cache`` where no model was loaded."""
    if not counts["ok"]:
        return "", ""  # nothing ran on any device
    if encoder.is_loaded:
        return encoder.device, encoder.precision
    return "cache", cache.precision


def describe_vectors(
    encoder: Encoder, cache: ImageCache, started: str, counts: dict[str, int], *, is_exact: bool
) -> dict[str, Any]:
    """Return the provenance of a file of image vectors."""
    device, precision = where_it_ran(encoder, cache, counts)
    return {
        "model": encoder.config.name,
        "fingerprint": encoder.config.fingerprint,
        "device": device,
        "precision": precision,
        "exact": is_exact,
        "versions": versions(),
        "started": started,
        "finished": now(),
        "counts": counts,
    }
