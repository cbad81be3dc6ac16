"""Explaining pictures one by one: classified, mapped, and with the words that count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipcli.errors import ImageError
from clipcli.images.decode import MAX_PIXELS, decode_image
from clipcli.images.upright import open_upright
from clipcli.pipeline.heat import HeatMaker, peak
from clipcli.results import Classified, Skipped, path_fields
from clipcli.workflows.explain.reasons import Reason, Reasons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.images.find import ImageFile
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.reader import DecodeOptions, Embedded
    from clipcli.pipeline.session import Session

ENOUGH_PX = 640  # a large JPEG may be decoded at a reduced size, down to this


@dataclass(frozen=True, slots=True)
class Heat:
    """Where one label is seen, and the words that say so."""

    label: str
    probability: float  # of the picture as a whole
    similarity: float
    grid: NDArray[np.float32]  # (gh, gw), shares 0 to 1
    peak: tuple[int, int]  # pixel across and down
    reason: Reason


@dataclass(frozen=True, slots=True)
class Explained:
    """One picture, and the heat of its most probable labels, best first."""

    path: str
    width: int  # pixels, upright
    height: int
    label: str | None
    heats: tuple[Heat, ...]


def explain(
    session: Session, classifier: Classifier, maker: HeatMaker, found: Iterator[ImageFile | Skipped]
) -> Iterator[Explained | Skipped]:
    """Yield an explanation for every input, in order."""
    reasons = Reasons(classifier)
    decoding = session.model.decoding()
    for entry in session.embedded(found):
        if isinstance(entry, Skipped):
            yield entry
            continue
        try:
            yield _explained(entry, classifier, maker, reasons, decoding)
        except ImageError as error:  # it was there a moment ago
            yield Skipped(entry.path, str(error))


def _explained(
    entry: Embedded,
    classifier: Classifier,
    maker: HeatMaker,
    reasons: Reasons,
    decoding: DecodeOptions,
) -> Explained:
    import numpy as np

    result: Classified = classifier.score([entry])[0]
    picture = open_upright(
        entry.path,
        max_pixels=decoding.max_pixels,
        at_least_px=ENOUGH_PX,
        convert_profiles=decoding.convert_profiles,
    )
    width, height = picture.width, picture.height
    grids = maker.grids(picture.image)  # (c, gh, gw)
    places = {name: i for i, name in enumerate(classifier.label_set.names)}
    why = reasons.of([score.label for score in result.top], np.asarray(entry.row, np.float32))
    heats = tuple(
        Heat(
            score.label,
            score.probability,
            score.similarity,
            grid := grids[places[score.label]],
            peak(grid, width, height),
            reason,
        )
        for score, reason in zip(result.top, why, strict=True)
    )
    return Explained(entry.path, width, height, result.label, heats)


def picture_of(explained: Explained, longest_px: int) -> Any:
    """Decode a picture again, for drawing, no longer than ``longest_px``.

    Raises
    ------
    ImageError
    """
    most = max(MAX_PIXELS, explained.width * explained.height)  # as many as it had
    picture = decode_image(explained.path, at_least_px=longest_px, max_pixels=most)
    picture.thumbnail((longest_px, longest_px))
    return picture


def record(explained: Explained | Skipped) -> dict[str, Any]:
    """Return the JSON object of one picture."""
    fields: dict[str, Any] = dict(path_fields(explained.path))
    if isinstance(explained, Skipped):
        return fields | {"status": "skipped", "reason": explained.reason}
    return fields | {
        "status": "ok",
        "label": explained.label,
        "width": explained.width,
        "height": explained.height,
        "heats": [_heat_fields(heat) for heat in explained.heats],
    }


def _heat_fields(heat: Heat) -> dict[str, Any]:
    return {
        "label": heat.label,
        "probability": heat.probability,
        "similarity": heat.similarity,
        "peak": list(heat.peak),
        "prompt": heat.reason.prompt,
        "prompt_similarity": heat.reason.similarity,
        "words": [{"word": word, "change": change} for word, change in heat.reason.words],
        "map": [[round(float(share), 4) for share in row] for row in heat.grid],
    }
