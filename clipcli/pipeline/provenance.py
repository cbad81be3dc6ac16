"""Where results come from: what a result file says of its making."""

from __future__ import annotations

import os
import platform
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clipcli.encoder.encoder import TEXT_PRECISION
from clipcli.results import ProbabilityKind, Provenance
from clipcli.version import __version__

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.encoder.encoder import Encoder
    from clipcli.pipeline.classifier import Classifier

# What numbers depend on, besides our own code.
PACKAGES = ("torch", "onnxruntime", "numpy", "pillow", "ftfy", "regex")


def versions() -> dict[str, str]:
    """Return the versions that matter, without importing anything heavy."""
    found = {"clipcli": __version__, "python": platform.python_version()}
    installed = _installed_versions()
    return found | {package: installed.get(package, "not installed") for package in PACKAGES}


def _installed_versions() -> dict[str, str]:
    """Return the versions of all packages, by their names in lower case.

    ``importlib.metadata`` reads and parses a file for each, which takes as long as ten pictures.
    The name of a ``.dist-info`` folder has it all: name, "-", version (PyPA's "Recording installed
    projects").
    """
    found: dict[str, str] = {}
    for folder in filter(os.path.isdir, sys.path):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".dist-info")]
        for name in names:
            package, _, version = name.removesuffix(".dist-info").rpartition("-")
            found.setdefault(package.lower(), version)  # the first on the path is imported
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
        rules=tuple(sorted(set(classifier.rules.file_rules.values()))),
        convert_profiles=classifier.options.convert_profiles,
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
        engine=encoder.engine if encoder.is_loaded else "",
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
        "engine": encoder.engine if encoder.is_loaded else "",
        "exact": is_exact,
        "versions": versions(),
        "started": started,
        "finished": now(),
        "counts": counts,
    }
