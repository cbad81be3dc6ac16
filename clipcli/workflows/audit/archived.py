"""Data sets that are no folders: tars, Parquet, URLs, and the vectors of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcli.errors import InputError
from clipcli.images.class_tree import ClassTree
from clipcli.images.order import natural_sort
from clipcli.workflows.audit.gather import Gathering

if TYPE_CHECKING:
    from clipcli.images.key_truth import KeyTruth
    from clipcli.output.html.thumbnails import ThumbnailSpool
    from clipcli.pipeline.session import Session
    from clipcli.workflows.audit.dataset import Dataset


def gather_archived(
    session: Session, source: str, truth: KeyTruth, spool: ThumbnailSpool | None
) -> tuple[ClassTree, Dataset]:
    """Read all once, and return the classes that the keys or a table tell, and the data set.

    Raises
    ------
    UsageError, InputError
        If there are no pictures, or no class of any is known.
    """
    found, _ = session.find()
    dataset = Gathering(session, (), truth.place_of, spool).gather_passing(found)
    labels = {place.label for place in dataset.places if place.label is not None}
    if not labels:
        raise InputError(
            f"{source}: no class is known of any picture",
            hint="keys with a folder for each class (cat/17.jpg), or --truth FILE.csv with the "
            "columns key and label",
        )
    dataset.classes = tuple(natural_sort(labels))
    splits = natural_sort({place.split for place in dataset.places if place.split})
    return ClassTree(source, dataset.classes, tuple(splits)), dataset
