"""Golden inputs: what a model must answer, and how far off it is.

The pictures are made by arithmetic and the prompts are written here, so every machine asks the
same. What they should give is computed once in fp32 on a CPU and kept as ``selfcheck.json``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcli.errors import ModelError
from clipcli.files import write_atomically
from clipcli.models.config import Preprocessing
from clipcli.models.source import ModelSource
from clipcli.strict_json import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.encoder import Encoder

FILE_NAME = "selfcheck.json"
FORMAT = 1  # goes up when the golden inputs change
WIDTH, HEIGHT = 320, 240  # pixels; resized and cut like any other picture
PROMPTS = (
    "a photo of a cat.",
    "red, green and blue stripes",
    "Ein Bild aus Köln, 1969!",
    "a diagram",
)
# How far a unit vector may be from where it should be. Between correct machines it is about 1e-6
# in fp32 (1e-3 where a GPU rounds fp32 products to TF32), 2e-3 in fp16 and 1e-2 in bf16.
# In int8 it is what verifying an export allows: a cosine of 0.95 is a distance of 0.3.
ALLOWED = {"fp32": 4e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 3e-1}


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's vectors for the golden inputs, as unit rows (n, d), float32."""

    images: NDArray[np.float32]
    texts: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Deviation:
    """The largest distances between vectors that were computed and those expected."""

    images: float
    texts: float


def golden_pictures(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return the pictures as the network gets them: (4, s, s, 3)."""
    import numpy as np
    from PIL import Image

    from clipcli.images.preprocess import preprocess

    pictures = (Image.fromarray(pixels) for pixels in _draw())
    return np.stack([preprocess(picture, preprocessing) for picture in pictures])


def answer(encoder: Encoder) -> Answers:
    """Ask a model for the vectors of the golden inputs."""
    pictures = golden_pictures(encoder.config.preprocessing)
    return Answers(encoder.encode_images(pictures), encoder.encode_texts(PROMPTS))


def compare(found: Answers, expected: Answers) -> Deviation:
    """Measure how far answers are from those expected."""
    return Deviation(
        images=_largest_distance(found.images, expected.images),
        texts=_largest_distance(found.texts, expected.texts),
    )


def allowed_deviation(precision: str) -> float:
    """Return how far answers may be off in a precision, which may name an engine as well."""
    return ALLOWED[precision.partition("-")[0]]


def reference_answers(source: ModelSource) -> Answers:
    """Compute what a model should answer: in fp32, on the CPU."""
    from clipcli.encoder.encoder import ModelEncoder

    return answer(ModelEncoder(source, "cpu", "fp32", "torch"))


def write_expectations(path: Path, fingerprint: str, answers: Answers) -> None:
    """Write what a model with this fingerprint should answer; readers see all of it or nothing."""
    record = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "images": [_encode(row) for row in answers.images],
        "texts": [_encode(row) for row in answers.texts],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # It is part of the model, for all who may read it.
    write_atomically(path, json.dumps(record, indent=1) + "\n", is_shared=True)


def read_expectations(path: Path, fingerprint: str) -> Answers | None:
    """Return what the model should answer, or None: no such file, or one for other weights.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    import numpy as np

    if not path.exists():
        return None
    try:
        record = read_json(path, ModelError)
        if (record["format"], record["fingerprint"]) != (FORMAT, fingerprint):
            return None
        rows = {kind: np.stack(list(map(_decode, record[kind]))) for kind in ("images", "texts")}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged", hint="remove it; it is made anew") from error
    return Answers(rows["images"], rows["texts"])


def write_selfcheck(folder: Path) -> Path:
    """Compute and write the expectations of a model folder of our own, beside its weights."""
    from clipcli.models.open import open_model

    source = open_model(folder)
    path = folder / FILE_NAME
    write_expectations(path, source.config.fingerprint, reference_answers(source))
    return path


def _draw() -> list[NDArray[np.uint8]]:
    """Draw a gradient, a chessboard, a disc and noise, each (240, 320, 3), in whole numbers."""
    import numpy as np

    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)  # (240, 320) each
    zeros = np.zeros_like(x)
    fields = (x // 40 + y // 40) % 2 * 255
    disc = ((x - 160) ** 2 + (y - 120) ** 2 < 80**2) * 255
    noise = (x * 7919 + y * 104_729 + x * y * 31) % 251
    drawn = (
        (x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) % 256),
        (fields, fields, fields // 2),
        (disc, zeros + 40, 255 - disc),
        (noise, noise[::-1], noise[:, ::-1]),
    )
    return [np.stack(channels, axis=2).astype(np.uint8) for channels in drawn]


def _largest_distance(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    import numpy as np

    if found.shape != expected.shape:
        return 2.0  # as far as unit vectors can be
    return float(np.linalg.norm(found.astype(np.float64) - expected, axis=1).max())


def _encode(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _decode(text: Any) -> NDArray[np.float32]:
    import numpy as np

    row = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
    if not row.size or not np.isfinite(row).all():
        raise ValueError("not a vector")
    return row


def _main(folders: Sequence[str]) -> None:
    for folder in folders:
        write_selfcheck(Path(folder))


if __name__ == "__main__":  # python -m clipcli.encoder.selfcheck FOLDER: after weights were written
    import sys

    _main(sys.argv[1:])
