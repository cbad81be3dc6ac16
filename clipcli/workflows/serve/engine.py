"""Answers for a server: pictures of many requests are encoded together, label sets are kept."""

from __future__ import annotations

import io
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clipcli.errors import UsageError
from clipcli.pipeline.embed import DecodeOptions, Embedded
from clipcli.process import usable_cores
from clipcli.results import to_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.encoder import Encoder
    from clipcli.images.load import Loaded
    from clipcli.pipeline.classifier import Classifier

WAIT_S = 0.003  # for others to encode together with
CLASSIFIERS_KEPT = 32
MOST_LABELS = 2000  # of a request's own label set
MOST_TOP = 100


@dataclass(frozen=True, slots=True)
class _Job:
    pixels: NDArray[np.uint8]
    number: int  # of notes, and of where the picture comes from
    row: Future[NDArray[np.float32]] = field(default_factory=Future)


class AnswerEngine:
    """Turns pictures into rows and answers; any number of threads may ask."""

    def __init__(
        self,
        encoder: Encoder,
        options: DecodeOptions,
        make_classifier: Callable[[str], Classifier],
        labels: str | None,
    ) -> None:
        self._encoder, self._options = encoder, options
        self._make, self._labels = make_classifier, labels
        self._classifiers: OrderedDict[str, Classifier] = OrderedDict()
        self._making = threading.Lock()
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="decode")
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)

    def start(self) -> None:
        """Load the model and encode the default labels, so that the first answer is fast.

        Raises
        ------
        ClipcliError
            If the model or the labels cannot be used.
        """
        self._encoder.start()
        if self._labels is not None:
            _ = self.classifier(self._labels).classifier
        _ = self._encoder.device
        self._thread.start()

    def stop(self) -> None:
        """End the threads; whoever waits gets an error."""
        self._jobs.put(None)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def classifier(self, labels: str | None) -> Classifier:
        """Return the classifier of a label set, from those that were used last.

        Raises
        ------
        ClipcliError
            If there are no labels, too many of them, or they make no label set.
        """
        name = labels or self._labels
        if name is None:
            raise UsageError("no labels were given", hint="add ?labels=cat,dog to the request")
        with self._making:
            found = self._classifiers.get(name)
            if found is None:
                found = self._make(name)
                if labels and len(found.label_set.labels) > MOST_LABELS:
                    raise UsageError(f"more than {MOST_LABELS:,} labels in a request")
                self._classifiers[name] = found
                if len(self._classifiers) > CLASSIFIERS_KEPT:
                    self._classifiers.popitem(last=False)
            self._classifiers.move_to_end(name)
            return found

    def embed(self, data: bytes) -> NDArray[np.float32]:
        """Return the unit row (d,), float32, of a picture's bytes.

        Raises
        ------
        ImageError
            If they are no picture that is read.
        """
        return self._done(data).row.result()

    def _done(self, data: bytes) -> _Job:
        """Have a picture decoded and encoded, and return what came of it."""
        loaded = self._pool.submit(self._decode, data).result()
        job = _Job(loaded.pixels, loaded.note_number)
        self._jobs.put(job)
        return job

    def classify(self, data: bytes, labels: str | None, top_k: int) -> dict[str, Any]:
        """Return a picture's result as JSON data, without a path.

        Raises
        ------
        ClipcliError
            If the picture or the labels cannot be used.
        """
        classifier = self.classifier(labels)
        job = self._done(data)
        result = classifier.score([Embedded("", job.row.result(), job.number)])[0]
        record = to_record(result)
        record["top"] = record["top"][: min(top_k, MOST_TOP)]
        return {key: value for key, value in record.items() if key != "path"}

    def _decode(self, data: bytes) -> Loaded:
        from clipcli.images.load import load

        return load(
            io.BytesIO(data),
            self._encoder.config.preprocessing,
            exact=self._options.exact,
            max_pixels=self._options.max_pixels,
        )

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            while len(jobs) < self._encoder.batch_size:
                try:
                    job = self._jobs.get(timeout=WAIT_S)
                except queue.Empty:
                    break
                if job is None:
                    self._jobs.put(None)
                    break
                jobs.append(job)
            self._encode(jobs)

    def _encode(self, jobs: list[_Job]) -> None:
        import numpy as np

        from clipcli.cache.codec import rounded, vector_type

        try:
            rows = self._encoder.encode_images(np.stack([job.pixels for job in jobs]))  # (n, d)
            rows = rounded(rows, vector_type(exact=self._options.exact))
        except BaseException as error:  # each request has to learn of it
            for job in jobs:
                job.row.set_exception(error)
            return
        for job, row in zip(jobs, rows, strict=True):
            job.row.set_result(row)
