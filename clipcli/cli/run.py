"""One run over pictures: from options to records, notes and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, TypeVar

from clipcli.cli.progress import Notes
from clipcli.errors import ClipcliError, ExitCode, InputError, UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.images.lists import STANDARD_INPUT
from clipcli.pipeline.timing import TimedEncoder
from clipcli.results import Skipped

if TYPE_CHECKING:
    from clipcli.cache.image_cache import ImageCache
    from clipcli.cache.text_cache import TextCache
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.embed import DecodeOptions, Embedded

GOING_ON = "going on without the cache"
SKIPPED_SHOWN = 10  # reasons on standard error; the rest is a count
PROMPTS_SHOWN = 5  # that were too long for the model
UNCHOSEN = (
    "the small bundled model served; for better answers: `clipcli models pull ViT-B/32`, then "
    "`clipcli models default ViT-B/32` (or keep it: `clipcli models default mini`)"
)
PROMPT_CHARACTERS = 80  # shown of each

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where pictures come from."""

    paths: tuple[str, ...]
    from_file: Path | None = None
    null: bool = False

    def find(self, report: FindReport) -> Iterator[ImageFile | Skipped]:
        """Walk them; what was left out is counted in ``report``."""
        return find_images(self.paths, from_file=self.from_file, null=self.null, report=report)

    @property
    def can_be_walked_twice(self) -> bool:
        """Whether a second walk finds the same: a list from a pipe is gone once read."""
        has_pipe = self.from_file is not None and not self.from_file.is_file()
        return STANDARD_INPUT not in self.paths and not has_pipe

    def check(self) -> None:
        """Refuse inputs that cannot be any, before the first of them is looked at."""
        if not self.paths and self.from_file is None:
            raise UsageError(
                "no pictures were given",
                hint="name files or folders, or - to read a list from standard input",
            )
        # A pipe is left unopened: whoever writes into it would lose the first reader.
        if self.from_file is not None and str(self.from_file) != STANDARD_INPUT:
            if not self.from_file.exists():
                raise UsageError(f"{self.from_file}: no such list", hint="check the path")
            if self.from_file.is_dir() or not os.access(self.from_file, os.R_OK):
                raise UsageError(f"{self.from_file}: cannot be read as a list of paths")

    def in_words(self) -> str:
        """Name the inputs in an error message."""
        names = ["standard input" if path == STANDARD_INPUT else path for path in self.paths]
        names += [str(self.from_file)] if self.from_file else []
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model runs, and how."""

    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    exact: bool = False
    max_megapixels: float = 200.0
    no_cache: bool = False
    backend: str = "torch"

    def is_unchosen(self) -> bool:
        """Tell whether nobody said which model is to serve."""
        from clipcli.models.resolve import chosen_model

        return not chosen_model(self.model).reason

    def cache(self) -> TextCache:
        """Open the cache of label rows; ``--no-cache`` makes one that holds nothing."""
        from clipcli.cache.text_cache import TextCache, default_folder

        return TextCache(None if self.no_cache else default_folder())

    def image_cache(self) -> ImageCache:
        """Open the cache of pictures' vectors, as :meth:`cache` does that of label rows."""
        from clipcli.cache.image_cache import ImageCache
        from clipcli.cache.text_cache import default_folder

        return ImageCache(None if self.no_cache else default_folder())

    def decoding(self) -> DecodeOptions:
        """Return how pictures are decoded."""
        from clipcli.pipeline.embed import DecodeOptions

        return DecodeOptions(exact=self.exact, max_pixels=round(self.max_megapixels * 1e6))


@dataclass
class Run:
    """A command over pictures: counts what happens and turns it into notes and an exit code."""

    inputs: Inputs
    model: ModelOptions
    notes: Notes
    report: FindReport = field(default_factory=FindReport)
    n_ok: int = 0
    n_skipped: int = 0
    _goes_without_cache: bool = False  # and it was told

    @cached_property
    def encoder(self) -> TimedEncoder:
        """The model; torch is not imported before it is needed."""
        from clipcli.encoder.encoder import load_encoder

        asked = self.model
        encoder = load_encoder(asked.model, asked.device, asked.precision, asked.backend)
        if asked.backend != "torch" and encoder.has_to_export:
            self.notes.say(f"making the model ready for {asked.backend}, once: a minute or two")
        return TimedEncoder(encoder)

    @cached_property
    def image_cache(self) -> ImageCache:
        """The pictures' vectors that were computed before."""
        return self.model.image_cache()

    def find(self) -> tuple[Iterator[ImageFile | Skipped], bool]:
        """Return the inputs, and whether they are few enough to tell of each at length."""
        from clipcli.output.table import RANKED_IMAGES

        self.inputs.check()
        found = self.inputs.find(self.report)
        # A list that somebody is still writing is not kept waiting for its ninth entry.
        n_looked_at = RANKED_IMAGES + 1 if self.inputs.can_be_walked_twice else 1
        first = list(islice(found, n_looked_at))
        if not first:
            raise InputError(f"{self.inputs.in_words()}: no pictures found{self._left_out()}")
        return chain(first, found), len(first) < n_looked_at

    def embedded(self, found: Iterable[ImageFile | Skipped]) -> Iterator[Embedded | Skipped]:
        """Yield each input's vector, or why it has none, in input order."""
        from clipcli.pipeline.embed import embed

        blocks = embed(found, self.encoder, self.model.decoding(), self.image_cache)
        return chain.from_iterable(blocks)

    def total(self) -> Callable[[], int] | None:
        """Return what counts the inputs on the side, or None where that cannot be done."""
        if not self.inputs.can_be_walked_twice:
            return None
        return lambda: sum(1 for _ in self.inputs.find(FindReport()))

    def counts(self) -> dict[str, int]:
        """Return how many inputs had which outcome."""
        return {"ok": self.n_ok, "skipped": self.n_skipped, "ignored": self.report.ignored}

    def _left_out(self) -> str:
        n = self.report.ignored
        return f" ({_several(n, 'other file')} left out)" if n else ""

    def tally(self, results: Iterable[T], *, are_shown: bool = False) -> Iterator[T]:
        """Pass results on and count them; tell reasons, unless the reader is shown them anyway."""
        for result in results:
            if isinstance(result, Skipped):
                self.n_skipped += 1
                if self.n_skipped <= SKIPPED_SHOWN and not are_shown:
                    self.notes.say(f"skipped {result.path}: {result.reason}")
            else:
                self.n_ok += 1
            yield result

    def tell_encoded(self, n_done: int, n_labels: int) -> None:
        """Say how far the encoding of very many labels is."""
        self.notes.say(f"{n_done:,} of {n_labels:,} labels encoded")

    def tell_labels(self, classifier: Classifier) -> None:
        """Say what the user would want to know about prompts and the cache."""
        limit = classifier.encoder.config.architecture.text.context_length
        for cut in classifier.cut_prompts[:PROMPTS_SHOWN]:
            prompt = shorten(cut.prompt, PROMPT_CHARACTERS, placeholder=" …")
            self.notes.say(
                f"prompt {prompt!r} has {cut.n_tokens} tokens; the model reads the first {limit}"
            )
        if len(classifier.cut_prompts) > PROMPTS_SHOWN:
            self.notes.say(f"{len(classifier.cut_prompts):,} prompts were cut in all")
        self._tell_cache(classifier.cache.problem)
        n_labels, n_encoded = len(classifier.classifier), classifier.n_encoded
        self.notes.detail(
            f"{_several(n_labels, 'label')}: {n_encoded:,} encoded, "
            f"{n_labels - n_encoded:,} from the cache"
        )

    def _tell_cache(self, problem: str | None) -> None:
        """Say what is wrong with a cache; a folder that neither can use is told of once."""
        if problem and not (self._goes_without_cache and problem.endswith(GOING_ON)):
            self.notes.say(f"cache: {problem}")
            self._goes_without_cache = problem.endswith(GOING_ON)

    def _tell_details(self) -> None:
        """Say, to those who asked for it, what ran where and how long it took."""
        encoder, config = self.encoder, self.encoder.config
        n, total_s = self.n_ok + self.n_skipped, encoder.total_s
        # Labels are encoded on the side, so their seconds are others' too.
        rest_s = max(0.0, total_s - encoder.loading_s - encoder.images_s)
        phases = {
            "waiting for the model": encoder.loading_s,
            "encoding labels": encoder.texts_s,
            "encoding pictures": encoder.images_s,
            "finding, decoding and writing": rest_s,
        }
        say = self.notes.detail
        say(f"model {config.name}, fingerprint {config.fingerprint[:12]}")
        if encoder.is_loaded:
            say(f"ran on {encoder.device} in {encoder.precision}")
        else:
            say(f"no model was loaded, all is from the cache, in {self.image_cache.precision}")
        say(f"{_several(n, 'input')} in {total_s:.2f} s, {n / total_s:.1f} a second")
        say(", ".join(f"{seconds:.2f} s {phase}" for phase, seconds in phases.items()))
        if self.report.repeated:
            say(f"{_several(self.report.repeated, 'path')} led to an input a second time")

    def conclude(self) -> ExitCode:
        """Say what was left out, and return the exit code."""
        if self.n_skipped > SKIPPED_SHOWN:
            n_inputs = self.n_ok + self.n_skipped
            self.notes.say(f"{self.n_skipped:,} of {n_inputs:,} inputs were skipped")
        if self.report.ignored:
            left_out = _several(self.report.ignored, "other file")
            self.notes.say(f"{left_out} left out, no picture by ending or content")
        if not self.n_ok:
            raise InputError(f"{self.inputs.in_words()}: no picture could be read")
        if self.encoder.is_loaded and self.encoder.note:
            self.notes.say(self.encoder.note)
        self._tell_cache(self.image_cache.problem)
        if self.model.is_unchosen():
            self.notes.say(UNCHOSEN)
        self._tell_details()
        return ExitCode.SKIPPED if self.n_skipped else ExitCode.DONE


def _several(n: int, noun: str) -> str:
    """Count things in words: "1 file", "2 files"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def reason_of(error: BaseException) -> str:
    """Say, for the output files, why a run ended early."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, BrokenPipeError):
        return "standard output was closed"
    return error.message if isinstance(error, ClipcliError) else f"{type(error).__name__}: {error}"
