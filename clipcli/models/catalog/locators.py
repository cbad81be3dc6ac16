"""The catalogue of published models that locate: files on the hub, and published figures.

Figures are those of the models' authors, read in the named sources; "protocol" says what was
measured how. Nothing of it was measured here.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.files import read_text
from clipcli.models.catalog.catalog import normalise
from clipcli.models.catalog.entry import wanted_files
from clipcli.strict_csv import read_named_rows

TABLE = Path(__file__).with_name("locators.csv")
VOCABULARY = "vocab.txt"  # BERT's, which GLIP's own files lack
BYTES_PER_PARAMETER = 4


@dataclass(frozen=True, slots=True)
class LocatorEntry:
    """A published model that locates."""

    name: str
    kind: str  # owlvit, owlv2, glip, mm-grounding-dino or grounding-dino
    aliases: tuple[str, ...]
    repository: str  # on the hub: ``owner/name``
    weights: str  # the one file that is wanted of a GLIP repository; empty: a whole folder
    vocabulary_repository: str  # where :data:`VOCABULARY` lies; empty: in the repository
    n_parameters: int
    size_px: int  # the input's edge, or its short side
    licence: str
    lvis_ap: float | None  # average precision, per cent
    lvis_split: str
    coco_ap: float | None  # of a model that has seen no picture of COCO's
    protocol: str
    source: str

    @property
    def download_bytes(self) -> int:
        """About how much a download is: the weights alone."""
        return self.n_parameters * BYTES_PER_PARAMETER

    def choose_files(self, available: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the files that are needed, out of all of the repository.

        Raises
        ------
        ModelError
            If one of them is not there.
        """
        names = set(available)
        if not self.weights:
            is_bert = self.kind.endswith("grounding-dino")
            return wanted_files(self.repository, "huggingface", names, is_bert=is_bert)
        if self.weights not in names:
            raise ModelError(f"{self.repository}: {self.weights} is missing from its files")
        return (self.weights,)

    def accuracy_in_words(self) -> str:
        """Say how good it is said to be, in a cell."""
        parts = (("LVIS", self.lvis_ap), ("COCO", self.coco_ap))
        return ", ".join(f"{name} {ap:.1f}" for name, ap in parts if ap is not None)


@functools.cache
def locator_catalog() -> tuple[LocatorEntry, ...]:
    """Return all models that locate, families together."""
    lines = io.StringIO(read_text(TABLE, ModelError))
    return tuple(_entry(row) for _, row in read_named_rows(lines, is_strict=True))


def find_locator_entry(name: str) -> LocatorEntry | None:
    """Return the model that a name means, in any spelling, or None.

    Examples
    --------
    >>> find_locator_entry("GLIP-T(A)").name
    'glip-t-a'
    >>> find_locator_entry("hf-hub:google/owlvit-base-patch32").name
    'owlvit-base-patch32'
    """
    return _by_key().get(_key(name))


@functools.cache
def _by_key() -> Mapping[str, LocatorEntry]:
    return {_key(n): entry for entry in locator_catalog() for n in (entry.name, *entry.aliases)}


def _key(name: str) -> str:
    return normalise(name.replace("(", "-").replace(")", ""))


def _entry(row: dict[str, str]) -> LocatorEntry:
    return LocatorEntry(
        name=row["name"],
        kind=row["kind"],
        aliases=tuple(row["aliases"].split()),
        repository=row["repository"],
        weights=row["weights"],
        vocabulary_repository=row["vocabulary_repository"],
        n_parameters=int(row["n_parameters"]),
        size_px=int(row["size_px"]),
        licence=row["licence"],
        lvis_ap=_share(row["lvis_ap"]),
        lvis_split=row["lvis_split"],
        coco_ap=_share(row["coco_ap"]),
        protocol=row["protocol"],
        source=row["source"],
    )


def _share(text: str) -> float | None:
    return float(text) if text else None
