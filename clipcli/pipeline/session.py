"""A run over pictures: opens inputs, model, caches and labels once, and counts outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from clipcli.errors import InputError, UsageError
from clipcli.images.find import FindReport, ImageFile
from clipcli.images.left_out import in_words
from clipcli.pipeline.image_data import ImageData
from clipcli.pipeline.inputs import Input, Inputs
from clipcli.pipeline.model_settings import ModelSettings, OpenedModel
from clipcli.pipeline.source_names import is_source
from clipcli.results import Provenance, Skipped

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.labels.label_set import LabelSet
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import Embedded
    from clipcli.pipeline.timing import TimedEncoder

SKIPPED_SHOWN = 10  # inputs that are named; the rest is counts
ALIKE_SHOWN = 3  # of these, so many with one reason
REASONS_COUNTED = 1000  # bounds memory where every file has a reason of its own
OTHER_REASONS = "other reasons"

T = TypeVar("T")


class Reporter(Protocol):
    """What is said beside the results; the command line prints it on standard error."""

    def say(self, text: str) -> None:
        """Report something that the user would want to know."""

    def detail(self, text: str) -> None:
        """Report something for those who asked for details."""

    def summary(self, lines: Iterable[str]) -> None:
        """Show what came of a run to somebody who watches."""

    def wait_for(self, describe: Callable[[], str]) -> None:
        """Let progress say ``describe()`` as long as nothing is done."""

    def progress(
        self, count: Callable[[], int] | None, *, is_wanted: bool = True
    ) -> AbstractContextManager[Callable[[], None]]:
        """Show progress towards ``count()``; the context's value counts one on."""


@dataclass
class Session:
    """One run: its inputs, its model and caches, and how many inputs had which outcome."""

    inputs: Inputs
    model: ModelSettings
    notes: Reporter
    report: FindReport = field(default_factory=FindReport)
    begun: OpenedModel | None = None  # what was begun with the model already
    n_ok: int = 0
    n_skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # of skipped inputs
    n_reported: int = 0  # skipped inputs that were named
    n_noted: int = 0  # pictures that are damaged, but whole
    goes_without_cache: bool = False  # and it was said
    _n_found: int = 0  # inputs, so far, by who counts them on the side

    @cached_property
    def encoder(self) -> TimedEncoder:
        """The model; torch is not imported before it is needed."""
        from clipcli.pipeline.timing import TimedEncoder

        encoder = self.begun.encoder if self.begun else self.model.open()
        if encoder.has_to_export:
            how_long = "a minute or two" if encoder.backend == "openvino" else "some seconds"
            self.notes.say(f"making the model ready for {encoder.backend}, once: {how_long}")
        self.notes.wait_for(self._waited_for)
        return TimedEncoder(encoder)

    def _waited_for(self) -> str:
        """Say what is being done before the first picture comes out."""
        if not self.encoder.is_loaded:
            return f"loading {self.encoder.config.name} …"
        return f"looking for pictures: {self._n_found:,}" if self._n_found else ""

    @cached_property
    def image_cache(self) -> ImageCache:
        """The image vectors that were computed before."""
        return self.begun.image_cache if self.begun else self.model.image_cache()

    def classifier(self, labels: LabelSet | None = None, **options: Any) -> Classifier:
        """Return a classifier that shares this run's model, caches and decoding.

        Parameters
        ----------
        labels : LabelSet, optional
            What to choose from; None where ``options`` bring a probe.
        options
            Further arguments of :class:`Classifier`, such as ``templates`` or ``top_k``.
        """
        from clipcli.pipeline.classifier import Classifier

        return Classifier(
            labels,
            options=self.model.decoding(),
            encoder=self.encoder,
            cache=self.model.text_cache(),
            image_cache=self.image_cache,
            **options,
        )

    def find(self, handful: int = 0) -> tuple[Iterator[Input], bool]:
        """Return the inputs, and whether they are no more than ``handful``.

        Raises
        ------
        UsageError, InputError
            Where there are none.
        """
        self.inputs.check()
        found = self.inputs.find(self.report)
        # A list that somebody is still writing is not kept waiting for its next entry.
        n_looked_at = handful + 1 if self.inputs.can_be_walked_twice else 1
        first = list(islice(found, n_looked_at))
        if not first:
            kinds = self.report.left_out
            left_out = f" ({in_words(kinds)})" if kinds else ""
            raise InputError(f"{self.inputs.in_words()}: no pictures found{left_out}")
        return chain(first, found), len(first) < n_looked_at

    def find_files(self, handful: int = 0) -> tuple[Iterator[ImageFile | Skipped], bool]:
        """Return the inputs as :meth:`find` does, where only files will do.

        Raises
        ------
        UsageError, InputError
            Where there are none, or one is an archive or a URL.
        """
        for path in filter(is_source, self.inputs.paths):
            raise UsageError(
                f"{path}: is no file or folder of pictures", hint="unpack or download it first"
            )
        found, is_handful = self.find(handful)
        files = (
            Skipped(entry.path, "no file of its own: unpack, download or save it first")
            if isinstance(entry, ImageData)
            else entry
            for entry in found
        )
        return files, is_handful

    def embedded(self, found: Iterable[Input]) -> Iterator[Embedded | Skipped]:
        """Yield each input's vector, or why it has none, in input order."""
        from clipcli.pipeline.embed import embed

        blocks = embed(found, self.encoder, self.model.decoding(), self.image_cache)
        return chain.from_iterable(blocks)

    def total(self) -> Callable[[], int] | None:
        """Return what counts the inputs on the side, or None where that cannot be done."""
        if not self.inputs.can_be_walked_twice:
            return None

        def count() -> int:
            for _ in self.inputs.find(FindReport()):
                self._n_found += 1
            return self._n_found

        return count

    def tally(self, results: Iterable[T], *, are_shown: bool = False) -> Iterator[T]:
        """Pass results on and count them; report reasons, unless the reader sees them anyway."""
        for result in results:
            if isinstance(result, Skipped):
                self._count_skipped(result, is_shown=are_shown)
            else:
                self.n_ok += 1
                if note := getattr(result, "note", ""):
                    self._report_note(getattr(result, "path", ""), note)
            yield result

    def _report_note(self, path: str, note: str) -> None:
        """Report damage that cost no pixel; of many pictures only the first few."""
        self.n_noted += 1
        if self.n_noted <= ALIKE_SHOWN:
            self.notes.say(f"{path}: {note}")

    def _count_skipped(self, skipped: Skipped, *, is_shown: bool) -> None:
        """Report a skipped input; of many with one reason only the first few."""
        self.n_skipped += 1
        reason = skipped.reason if len(self.reasons) < REASONS_COUNTED else OTHER_REASONS
        self.reasons[reason] += 1
        n_alike = self.reasons[reason]
        if not is_shown and n_alike <= ALIKE_SHOWN and self.n_reported < SKIPPED_SHOWN:
            self.n_reported += 1
            self.notes.say(f"skipped {skipped.path}: {skipped.reason}")

    def counts(self) -> dict[str, int]:
        """Return how many inputs had which outcome."""
        return {"ok": self.n_ok, "skipped": self.n_skipped, "ignored": self.report.ignored}

    def provenance(self, classifier: Classifier, started: str) -> Provenance:
        """Return where this run's results come from, once it is over."""
        from clipcli.pipeline.provenance import describe

        return describe(classifier, started, self.counts())

    def vector_provenance(self, started: str) -> dict[str, Any]:
        """Return where this run's image vectors come from, as JSON data."""
        from clipcli.pipeline.provenance import describe_vectors

        return describe_vectors(
            self.encoder, self.image_cache, started, self.counts(), is_exact=self.model.exact
        )
