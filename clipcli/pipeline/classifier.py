"""The Python front door: a model and a label set, ready for pictures."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from clipcli.cache.codec import rounded, vector_type
from clipcli.cache.image_cache import ImageCache
from clipcli.cache.text_cache import CutPrompt, TextCache, default_folder
from clipcli.encoder.encoder import Encoder, load_encoder
from clipcli.errors import ImageError, UsageError
from clipcli.images.find import FindReport, ImageFile, find_images
from clipcli.labels.label_set import LabelSet, load_label_set
from clipcli.labels.templates import choose_templates
from clipcli.pipeline.embed import DecodeOptions, Embedded, embed
from clipcli.pipeline.image_data import in_memory
from clipcli.pipeline.inputs import Input
from clipcli.pipeline.label_rows import LabelRows, Report, encode_labels
from clipcli.results import Classified, Result, Skipped, noted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.pipeline.calibration import Calibration
    from clipcli.pipeline.probe import Probe
    from clipcli.pipeline.scoring import ScoringRules

T = TypeVar("T")


class Classifier:
    """Zero-shot classifier: a CLIP model, and the labels to choose from.

    Nothing slow happens on construction: the first answer imports torch and encodes labels.

    Parameters
    ----------
    labels : LabelSet, str, or iterable of str, optional
        A label set, a list of names, or what ``--labels`` takes: ``"animals"``, ``"cat, dog"``.
    model : str, optional
        A model's name or folder; None for the default model.
    templates : str, optional
        What ``--templates`` takes. None: the label set's own, else the model's, else ``photo``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : str
        Of the image tower: ``"auto"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    exact : bool
        Decode large JPEGs in full, as the references do, instead of by the short cut.
    top_k : int
        How many labels a result lists.
    min_prob : float
        Below this probability a result has no label, 0..1.
    calibration : Calibration, optional
        Fitted numbers in place of the model's own; see ``clipcli eval --calibrate``.
    reject_threshold : float, optional
        Pictures whose reject score is above it have no label, 0..1; None: nothing is rejected.
    independent : bool
        Ask each label by itself, yes or no: several may reach ``min_prob``, no sum is one.
    no_rules : bool
        Ask the model alone, also where a label has a rule and a file says that it holds.
    probe : Probe, optional
        A linear classifier from ``clipcli probe fit`` in place of ``labels`` and ``templates``.
    encoder : Encoder, optional
        Used in place of ``model``, ``device`` and ``precision``.
    cache : TextCache, optional
        Where label rows are kept; None for the user's own cache folder.
    image_cache : ImageCache, optional
        Where pictures' vectors are kept; None for the user's own cache folder.

    Raises
    ------
    LabelSetError, TemplateError, ModelError, DeviceError
        With one line that says what is wrong, and a hint.

    Examples
    --------
    >>> from clipcli import Classifier
    >>> classifier = Classifier(labels=["cat", "dog", "teapot"])
    >>> [result.label for result in classifier.classify(["examples/photos/cat.jpg"])]
    ['cat']
    """

    def __init__(
        self,
        labels: LabelSet | str | Iterable[str] | None = None,
        model: str | None = None,
        templates: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        exact: bool = False,
        *,
        top_k: int = 5,
        min_prob: float = 0.0,
        calibration: Calibration | None = None,
        reject_threshold: float | None = None,
        independent: bool = False,
        no_rules: bool = False,
        probe: Probe | None = None,
        options: DecodeOptions | None = None,
        encoder: Encoder | None = None,
        cache: TextCache | None = None,
        image_cache: ImageCache | None = None,
    ) -> None:
        self.label_set = _the_label_set(labels, probe)
        self.label_set.check(is_choice=not independent)
        self.encoder = encoder or load_encoder(model, device, precision)
        if probe is not None:
            probe.check_model(self.encoder.config.name, self.encoder.config.fingerprint)
        self.probe = probe
        self.templates = self._templates(templates)
        self.report = FindReport()
        self._labels: Future[LabelRows] | None = None  # being encoded, or done
        self.report_progress: Report | None = None  # of labels that take long
        self.top_k, self.min_prob = top_k, min_prob
        self.calibration, self.reject_threshold = calibration, reject_threshold
        self.independent, self.no_rules = independent, no_rules
        self.keeps_vectors = False  # results carry them
        self.options = options or DecodeOptions(exact=exact)
        self.cache = cache or TextCache(default_folder())
        self.image_cache = image_cache or ImageCache(default_folder())

    def classify(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Result]:
        """Yield one result per picture, in input order, while later ones are being decoded.

        Parameters
        ----------
        paths : iterable of str or path
            Files and folders, or one of them; folders are walked.

        Yields
        ------
        Classified or Skipped
            One for every picture that was found, and for every path that could not be read.
        """
        names = (os.fspath(path) for path in _as_many(paths, str, os.PathLike))
        yield from self.classify_found(find_images(names, report=self.report))

    def classify_bytes(self, pictures: Iterable[tuple[str, bytes]]) -> Iterator[Result]:
        """Yield one result per picture that is in memory, as :meth:`classify` does for files.

        Parameters
        ----------
        pictures : iterable of (name, bytes)
            The whole content of a file each, such as a JPEG, and what to call it in the results.

        Yields
        ------
        Classified or Skipped
            One for every picture, in order; the same digits as for a file of this content.
        """
        yield from self.classify_found(in_memory(pictures))

    def encode_bytes(
        self, pictures: Iterable[tuple[str, bytes]]
    ) -> Iterator[tuple[str, NDArray[np.float32]] | Skipped]:
        """Yield each picture's name and unit row (d,), float32, or why it has none, in order."""
        for block in embed(in_memory(pictures), self.encoder, self.options, self.image_cache):
            for entry in block:
                yield entry if isinstance(entry, Skipped) else (entry.path, entry.row)

    def classify_found(self, inputs: Iterable[Input]) -> Iterator[Result]:
        """Classify inputs that were found already, as :meth:`classify` does."""
        inputs = self._starting(inputs)
        for block in embed(inputs, self.encoder, self.options, self.image_cache):
            pictures = [entry for entry in block if isinstance(entry, Embedded)]
            scored = iter(self.score(pictures) if pictures else ())
            yield from (e if isinstance(e, Skipped) else self._full(next(scored), e) for e in block)

    def _full(self, result: Classified, entry: Embedded) -> Classified:
        return noted(result, entry.note, entry.row if self.keeps_vectors else None)

    def _starting(self, inputs: Iterable[T]) -> Iterator[T]:
        for entry in inputs:
            self.start()  # does nothing but for the first
            yield entry

    def start(self) -> None:
        """Begin with the labels in the background, without torch, while it loads."""
        if self.probe is None and self._labels is None:
            self._labels = Future()
            begun = (self._labels,)
            threading.Thread(target=self._encode_labels_into, args=begun, daemon=True).start()

    def _encode_labels_into(self, future: Future[LabelRows]) -> None:
        try:
            future.set_result(
                encode_labels(
                    self.label_set, self.templates, self.encoder, self.cache, self.report_progress
                )
            )
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            future.set_exception(error)
        import clipcli.pipeline.scoring  # noqa: F401 - soon needed; pictures are being decoded yet

    def score(self, pictures: Sequence[Embedded]) -> list[Classified]:
        """Rank the labels of pictures whose vectors are there already, at least one of them."""
        import numpy as np

        from clipcli.pipeline.scoring import score

        rows = np.stack([picture.row for picture in pictures])  # (n, d)
        neutral = self.neutral if self.rules.needs_neutral else None
        origins = [p.origin for p in pictures]
        return score(
            [p.path for p in pictures], rows, self.classifier, self.rules, neutral, origins
        )

    def encode_images(self, images: Iterable[Any]) -> NDArray[np.float32]:
        """Encode pictures into unit rows (n, d), float32.

        Parameters
        ----------
        images : iterable of str, path, PIL.Image.Image or uint8 array (h, w, 3)
            Decoded and preprocessed as :meth:`classify` does it.

        Raises
        ------
        ImageError
            For the first file that cannot be decoded.
        ValueError
            For an array of another shape or type.
        """
        import numpy as np

        blocks: list[NDArray[Any]] = []
        several = _as_many(images, str, os.PathLike)
        for is_file, group in groupby(several, lambda image: isinstance(image, str | os.PathLike)):
            encode = self._encode_files if is_file else self._encode_pictures
            blocks += encode(group)
        width = self.encoder.config.architecture.embed_dim
        return np.concatenate(blocks) if blocks else np.empty((0, width), np.float32)

    def _encode_files(self, paths: Iterable[str | os.PathLike[str]]) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows (n, d) of files that are decoded side by side."""
        import numpy as np

        files = (ImageFile(os.fspath(path)) for path in paths)
        for block in embed(files, self.encoder, self.options, self.image_cache):
            for entry in block:
                if isinstance(entry, Skipped):
                    raise ImageError(f"{entry.path}: {entry.reason}")
            yield np.stack([entry.row for entry in block if isinstance(entry, Embedded)])

    def _encode_pictures(self, pictures: Iterable[Any]) -> Iterator[NDArray[Any]]:
        """Yield blocks of rows (n, d) of pictures that are in memory."""
        import numpy as np

        from clipcli.images.preprocess import preprocessed_picture

        how = self.encoder.config.preprocessing
        pixels = (preprocessed_picture(picture, how) for picture in pictures)
        kind = vector_type(exact=self.options.exact)  # as vectors of files are
        while batch := list(islice(pixels, self.encoder.batch_size)):
            yield rounded(self.encoder.encode_images(np.stack(batch)), kind)

    def encode_texts(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Encode strings as they are, without templates, into unit rows (n, d), float32."""
        return self.encoder.encode_texts(list(_as_many(texts, str)))

    @property
    def classifier(self) -> NDArray[np.floating[Any]]:
        """The label rows (c + r, d), unit length: c labels, then r reject prompts.

        They are float32; a probe's rows, its weights at unit length, are float64.
        """
        return self._rows.classifier if self.probe is None else self.probe.rows

    @property
    def logit_scale(self) -> float:
        """Multiplies cosines before softmax."""
        return self.encoder.config.logit_scale

    @property
    def cut_prompts(self) -> tuple[CutPrompt, ...]:
        """Prompts that were longer than the model's context and lost their end."""
        return self._rows.cut if self.probe is None else ()

    @property
    def n_encoded(self) -> int:
        """How many of the rows had to be encoded, because the cache did not have them."""
        return self._rows.n_encoded if self.probe is None else 0

    def _templates(self, given: str | None) -> tuple[str, ...]:
        if self.probe is not None:
            return ()
        own, model_own = self.label_set.templates, self.encoder.config.templates
        return choose_templates(given, own, model_own)

    @cached_property
    def _rows(self) -> LabelRows:
        self.start()
        assert self._labels is not None
        return self._labels.result()

    @cached_property
    def neutral(self) -> NDArray[np.float32]:
        """The rows (w, d), float32, unit length, of words for what no label stands for."""
        from clipcli.pipeline.neutral import neutral_rows

        labels = self.classifier[: len(self.label_set.labels)]  # (c, d)
        return neutral_rows(labels, self.encoder, self.cache)

    @cached_property
    def rules(self) -> ScoringRules:
        """All that turns similarities into a decision, besides the vectors."""
        from clipcli.pipeline.scoring import ScoringRules

        config, labels = self.encoder.config, self.label_set.labels
        numbers = self.calibration or config
        return ScoringRules(
            names=self.label_set.names,
            logit_scale=numbers.logit_scale,
            logit_bias=numbers.logit_bias,
            kind="softmax" if self.probe else config.scoring,
            top_k=self.top_k,
            min_prob=self.min_prob,
            independent=self.independent,
            reject_threshold=self.reject_threshold,
            neutral_scale=config.logit_scale,
            thresholds={x.name: x.threshold for x in labels if x.threshold is not None},
            parents={x.name: x.parent for x in labels if x.parent is not None},
            file_rules={x.name: x.rule for x in labels if x.rule and not self.no_rules},
            scales=self.probe.scales if self.probe else None,
            biases=self.probe.biases if self.probe else None,
        )


def _as_many(given: Iterable[T], *single: type) -> Iterable[T]:
    """Return what was given; one thing where several belong becomes a list of it."""
    # A string is an iterable of characters, which nobody means.
    return [given] if isinstance(given, single) else given  # type: ignore[list-item]


def _the_label_set(labels: LabelSet | str | Iterable[str] | None, probe: Probe | None) -> LabelSet:
    if (labels is None) == (probe is None):
        raise UsageError("a classifier takes labels or a probe, one of them")
    if probe is not None:
        return probe.label_set
    if isinstance(labels, LabelSet):
        return labels
    assert labels is not None
    return load_label_set(labels) if isinstance(labels, str) else LabelSet.from_names(labels)
