"""How far an engine is from torch, and how far it may be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.encoder.check_images import PROMPTS, check_pixels
from clipcli.errors import DeviceError
from clipcli.models.source import ModelSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPARISON_NAME = "comparison.json"
# An eight-bit tower that was quantised well has 0.99 and agrees for all but close calls.
MIN_MEAN_COSINE = 0.98
MIN_COSINE = 0.9
MIN_AGREEMENT = 0.8
# A label that torch gives nearly the same chance is no disagreement: it is a toss-up.
CLOSE_CALL = 0.01  # cosine
# Where fp32 is added up in another order, numbers of unit rows differ by 1e-6, in deep networks
# by 1e-5. What differs more is another network.
MAX_DIFFERENCE = {"fp32": 1e-4}
SLOWER = 0.95  # times the usual engine's rate: less than noise is no news


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a backend's vectors of the check pictures are like, beside torch's in fp32."""

    mean_cosine: float
    least_cosine: float
    n_agreeing: int  # pictures with the same first label, or one that torch finds as good
    n_pictures: int
    largest_difference: float = 0.0  # between two numbers of unit rows
    images_per_s: float = 0.0  # measured beside the next, when it was made
    usual_images_per_s: float = 0.0  # with the engine that ``--backend auto`` takes
    usual: str = ""  # that engine

    @property
    def slower(self) -> str:
        """What to say where the usual engine is faster; nothing where it is not."""
        if self.images_per_s >= SLOWER * self.usual_images_per_s:
            return ""
        return (
            f"slower here than {self.usual}: {self.images_per_s:.0f} pictures a second against "
            f"{self.usual_images_per_s:.0f}; leave --backend out"
        )

    def in_words(self) -> str:
        """Tell it in a line."""
        return (
            f"cosine to torch {self.mean_cosine:.4f} in the mean, {self.least_cosine:.4f} at "
            f"least; the same first label for {self.n_agreeing} of {self.n_pictures} pictures"
        )

    def check(self, backend: str, model: str, precision: str = "int8") -> None:
        """Refuse a backend that is too far off.

        Raises
        ------
        DeviceError
            With the figures, and what to use instead.
        """
        is_near = (
            self.mean_cosine >= MIN_MEAN_COSINE
            and self.least_cosine >= MIN_COSINE
            and self.largest_difference <= MAX_DIFFERENCE.get(precision, 1.0)
        )
        if not is_near or self.n_agreeing < MIN_AGREEMENT * self.n_pictures:
            raise DeviceError(
                f"model {model!r} is too inexact with {backend}: {self.in_words()}",
                hint="use a higher --precision with it, or --backend torch",
            )

    def write(self, folder: Path) -> None:
        """Keep it beside the exported model."""
        text = json.dumps(asdict(self))
        (folder / COMPARISON_NAME).write_text(text, encoding="utf-8")


def compare_to_torch(
    source: ModelSource, encode_images: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> Comparison:
    """Compare an engine's unit rows of the check photographs (n, d) with torch's in fp32."""
    from clipcli.encoder.torch.runner import TorchRunner

    pixels = check_pixels(source.config.preprocessing)  # (n, s, s, 3)
    torch_runner = TorchRunner.load(source, "cpu", "fp32")
    tokenizer = source.read_tokenizer()
    label_rows = torch_runner.encode_texts([tokenizer.tokenize(p).ids for p in PROMPTS])
    return compare(encode_images(pixels), torch_runner.encode_images(pixels), label_rows)


def images_per_s(
    encode_images: Callable[[NDArray[np.uint8]], object], pixels: NDArray[np.uint8], seconds: float
) -> float:
    """Encode a batch (n, s, s, 3) again and again for so long; return pictures a second."""
    n, start, passed_s = 0, time.perf_counter(), 0.0
    while passed_s < seconds:
        encode_images(pixels)
        n += len(pixels)
        passed_s = time.perf_counter() - start
    return n / passed_s


def compare(rows: NDArray[Any], expected: NDArray[Any], label_rows: NDArray[Any]) -> Comparison:
    """Compare unit rows (n, d) with torch's (n, d), also by the labels (c, d) they choose."""
    cosines = (rows * expected).sum(axis=1)  # (n,)
    similarities = expected @ label_rows.T  # (n, c)
    chosen = (rows @ label_rows.T).argmax(axis=1)  # (n,)
    shortfall = similarities.max(axis=1) - similarities[range(len(rows)), chosen]  # (n,)
    return Comparison(
        mean_cosine=float(cosines.mean()),
        least_cosine=float(cosines.min()),
        n_agreeing=int((shortfall <= CLOSE_CALL).sum()),
        n_pictures=len(rows),
        largest_difference=float(abs(rows - expected).max()),
    )
