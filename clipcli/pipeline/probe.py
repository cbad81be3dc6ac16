"""Probes: linear classifiers on image vectors, and their files.

A probe's file is safetensors: ``weight`` (c, d) and ``bias`` (c,), both float64, and in its
metadata the labels, the model whose vectors it was fitted on, and how. Using one takes numpy only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.errors import LabelSetError, ModelError
from clipcli.labels.label_set import LabelSet
from clipcli.models.formats.safetensors import (
    RawTensor,
    TensorPlace,
    read_bytes,
    read_metadata,
    read_tensor_table,
    tensor_pieces,
)
from clipcli.strict_json import Bounds, parse_json

Numbers: TypeAlias = NDArray[np.float64]

FORMAT = "clipcli-probe-1"
ENDING = ".safetensors"
AGAIN = "fit it again: clipcli probe fit"
DTYPE = "F64"
METADATA = Bounds()
MAX_TENSOR_BYTES = 2**31  # a hundred thousand labels of a wide model


@dataclass(frozen=True)
class Probe:
    """A linear classifier: an image vector's logits are ``weights @ vector + biases``."""

    labels: tuple[str, ...]
    weights: Numbers  # (c, d)
    biases: Numbers  # (c,)
    model: str
    fingerprint: str  # of the model whose vectors it was fitted on
    precision: str  # of those vectors
    settings: dict[str, Any] = field(default_factory=dict)  # how it was fitted
    source: str = "probe"  # its file, in messages

    @cached_property
    def scales(self) -> Numbers:
        """The weights' lengths (c,), which take the place of the model's logit scale."""
        lengths: Numbers = np.linalg.norm(self.weights, axis=1)
        return lengths

    @cached_property
    def rows(self) -> Numbers:
        """The weights at unit length (c, d), as label rows are; a row of zeros stays zero."""
        from clipcli.vectors import unit_rows

        return unit_rows(self.weights).astype(np.float64)

    @cached_property
    def label_set(self) -> LabelSet:
        """The labels that it chooses from."""
        return LabelSet.from_names(self.labels, name=Path(self.source).name)

    @cached_property
    def hash(self) -> str:
        """The sha256 of what decides its answers."""
        content = json.dumps([self.labels, self.fingerprint]).encode("ascii")
        numbers = _as_bytes(self.weights) + _as_bytes(self.biases)
        return hashlib.sha256(content + numbers).hexdigest()

    def check_model(self, name: str, fingerprint: str) -> None:
        """Refuse any model but the one that the probe was fitted on.

        Raises
        ------
        ModelError
        """
        if fingerprint == self.fingerprint:
            return
        if name == self.model:
            raise ModelError(
                f"{self.source}: was fitted on another version of {self.model} "
                f"({self.fingerprint[:12]}, not {fingerprint[:12]})",
                hint=AGAIN,
            )
        raise ModelError(
            f"{self.source}: was fitted on the vectors of {self.model}, not of {name}",
            hint=f"pass --model {self.model}, or {AGAIN}",
        )

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield its file piece by piece."""
        metadata = {
            "format": FORMAT,
            "labels": json.dumps(self.labels),
            "model": self.model,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "settings": json.dumps(self.settings, sort_keys=True),
        }
        tensors = {
            "weight": RawTensor(DTYPE, self.weights.shape, _as_bytes(self.weights)),
            "bias": RawTensor(DTYPE, self.biases.shape, _as_bytes(self.biases)),
        }
        return tensor_pieces(tensors, metadata)


def read_probe(path: Path) -> Probe:
    """Read a probe's file.

    Raises
    ------
    ModelError
        If it cannot be read, is damaged, or is no probe.
    """
    table, metadata = read_tensor_table(path), read_metadata(path)
    if metadata.get("format") != FORMAT:
        is_newer = metadata.get("format", "").startswith("clipcli-probe-")
        fact = "is a probe of a later clipcli" if is_newer else "is no probe"
        raise ModelError(f"{path}: {fact}", hint="clipcli probe fit makes one")
    try:
        probe = Probe(
            labels=_texts(metadata["labels"]),
            weights=_array(path, table["weight"]),
            biases=_array(path, table["bias"]),
            model=metadata["model"],
            fingerprint=metadata["fingerprint"],
            precision=metadata["precision"],
            settings=_settings(metadata["settings"]),
            source=str(path),
        )
        _check(probe)
    except (ValueError, KeyError, LabelSetError) as error:
        raise ModelError(f"{path}: damaged: it makes no sense as a probe", hint=AGAIN) from error
    return probe


def _check(probe: Probe) -> None:
    n_labels = len(probe.label_set.labels)  # also refuses labels that can be none
    if probe.weights.ndim != 2 or probe.biases.shape != (len(probe.weights),):
        raise ValueError("shapes")
    if n_labels != len(probe.weights) or n_labels < 2:
        raise ValueError("labels")
    if not (np.isfinite(probe.weights).all() and np.isfinite(probe.biases).all()):
        raise ValueError("numbers")


def _array(path: Path, place: TensorPlace) -> Numbers:
    if place.dtype != DTYPE or place.end - place.begin > MAX_TENSOR_BYTES:
        raise ValueError(place.dtype)
    return np.frombuffer(b"".join(read_bytes(path, place)), "<f8").reshape(place.shape).copy()


def _as_bytes(numbers: Numbers) -> bytes:
    return numbers.astype("<f8").tobytes()


def _texts(text: str) -> tuple[str, ...]:
    values = parse_json(text, METADATA)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("labels are texts")
    return tuple(values)


def _settings(text: str) -> dict[str, Any]:
    values = parse_json(text, METADATA)
    if not isinstance(values, dict):
        raise ValueError("settings have names")
    return values
