"""Locating from Python: labels or a text once, pictures in files or in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from clipcli.encoder.locator import Question
from clipcli.errors import LabelSetError, UsageError
from clipcli.images.find import find_images
from clipcli.labels.label_set import LabelSet, load_label_set
from clipcli.pipeline.image_data import in_memory
from clipcli.pipeline.inputs import Inputs
from clipcli.pipeline.locating.opened import open_for
from clipcli.pipeline.locating.wording import question_of
from clipcli.pipeline.model_settings import ModelSettings
from clipcli.pipeline.session import Session
from clipcli.pipeline.silence import Silence
from clipcli.workflows.locate.question import of_text

if TYPE_CHECKING:
    from clipcli.pipeline.locating.run import Located
    from clipcli.results import Skipped


class Locator:
    """Finds boxes around the things that labels or a text name, as ``clipcli locate`` does.

    Parameters
    ----------
    labels : LabelSet, str or iterable of str, optional
        Names, a built-in set, a label file, or names with commas between them.
    model : str, optional
        A model that locates, by path or name. The default one has a small locator; with any
        other, boxes are coarse.
    text : str, optional
        Things in words, between full stops or commas, in place of ``labels``.
    min_score : float, optional
        The lowest score of a box, 0..1; None: the model's usual one.
    top : int
        How many boxes a picture has at most.
    nms : float, optional
        A box that overlaps a better one of its label by more is dropped, 0..1; None: as usual.
    coarse : bool
        Draw coarse boxes also where the model has a small locator.
    device, precision, exact
        As for :class:`clipcli.Classifier`.
    no_cache : bool
        Neither look up boxes of earlier runs nor keep new ones.

    Raises
    ------
    UsageError, LabelSetError, ModelError

    Examples
    --------
    >>> from clipcli import Locator
    >>> locator = Locator(["panda", "rocket"])
    >>> [located] = locator.locate(["examples/photos/panda.jpg"])
    >>> located.method, located.boxes[0].label
    ('small', 'panda')
    """

    def __init__(
        self,
        labels: LabelSet | str | Iterable[str] | None = None,
        model: str | None = None,
        *,
        text: str | None = None,
        min_score: float | None = None,
        top: int = 100,
        nms: float | None = None,
        coarse: bool = False,
        device: str = "auto",
        precision: str = "auto",
        exact: bool = False,
        no_cache: bool = False,
    ) -> None:
        settings = ModelSettings(model, device, precision, exact, no_cache=no_cache)
        self._session = Session(Inputs(()), settings, Silence())
        question = _question(labels, text)
        self._opened = open_for(self._session, question, min_score, top, nms, coarse=coarse)

    def locate(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Located | Skipped]:
        """Yield boxes, or why there are none, for every picture in order.

        Parameters
        ----------
        paths : iterable of str or path
            Files and folders; folders are walked.

        Yields
        ------
        Located or Skipped
            Corners are pixels of the upright picture in full.
        """
        several = [paths] if isinstance(paths, str | os.PathLike) else paths
        yield from self._opened.locate(find_images(os.fspath(path) for path in several))

    def locate_bytes(self, pictures: Iterable[tuple[str, bytes]]) -> Iterator[Located | Skipped]:
        """Yield boxes for every picture that is in memory, as :meth:`locate` does for files.

        Parameters
        ----------
        pictures : iterable of (name, bytes)
            The whole content of a file each, such as a JPEG, and what to call it in the results.

        Yields
        ------
        Located or Skipped
            One for every picture, in order; the same boxes as for a file of this content.
        """
        yield from self._opened.locate(in_memory(pictures))


def _question(labels: LabelSet | str | Iterable[str] | None, text: str | None) -> Question:
    if (labels is None) == (text is None):
        raise UsageError("labels and text: give one of them")
    if text is not None:
        return of_text(text)
    if isinstance(labels, LabelSet):
        return question_of(labels)
    if isinstance(labels, str):
        return question_of(load_label_set(labels))
    names = tuple(dict.fromkeys(labels or ()))
    if not names:
        raise LabelSetError("there is no label to be located")
    return Question.of_names(names)
