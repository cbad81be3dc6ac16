"""How far a backend is from torch, and how far it may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clipcli.errors import DeviceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# An eight-bit tower that was quantised well has 0.99 and agrees for all but close calls.
MIN_MEAN_COSINE = 0.98
MIN_COSINE = 0.9
MIN_AGREEMENT = 0.8
# A label that torch gives nearly the same chance is no disagreement: it is a toss-up.
CLOSE_CALL = 0.01  # cosine


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a backend's vectors of the check pictures are like, beside torch's in fp32."""

    mean_cosine: float
    least_cosine: float
    n_agreeing: int  # pictures with the same first label, or one that torch finds as good
    n_pictures: int

    def in_words(self) -> str:
        """Tell it in a line."""
        return (
            f"cosine to torch {self.mean_cosine:.4f} in the mean, {self.least_cosine:.4f} at "
            f"least; the same first label for {self.n_agreeing} of {self.n_pictures} pictures"
        )

    def check(self, backend: str, model: str) -> None:
        """Refuse a backend that is too far off.

        Raises
        ------
        DeviceError
            With the figures, and what to use instead.
        """
        is_near = self.mean_cosine >= MIN_MEAN_COSINE and self.least_cosine >= MIN_COSINE
        if not is_near or self.n_agreeing < MIN_AGREEMENT * self.n_pictures:
            raise DeviceError(
                f"model {model!r} is too inexact with {backend}: {self.in_words()}",
                hint="use --precision bf16 with it, or --backend torch",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept beside the exported model."""
        return asdict(self)


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
    )
