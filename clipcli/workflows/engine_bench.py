"""How fast each engine runs a model here, and how near it is to torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from clipcli.encoder.check_images import check_pixels
from clipcli.encoder.comparison import images_per_s
from clipcli.encoder.encoder import ModelEncoder
from clipcli.encoder.engines import FAST_BF16, remember
from clipcli.errors import ClipcliError, OutputError
from clipcli.models.resolve import open_named
from clipcli.process import processor_features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.models.source import ModelSource

REFERENCE = ("torch", "fp32")
ROUNDS = 3
ROUND_S = 1.0  # six engines take half a minute so, with loading
# Whoever stores a choice wants the speed and not other answers; bf16 has 0.9999.
NEAR_COSINE = 0.999


@dataclass
class EngineMeasurement:
    """One engine in one precision."""

    backend: str
    precision: str
    images_per_s: float = 0.0
    cosine: float = 0.0  # to torch in fp32, the mean over the check photographs
    fault: str = ""  # why it does not run here

    @property
    def name(self) -> str:
        """Both, as they are printed."""
        return f"{self.backend} {self.precision}"


class EngineBench:
    """All engines that are installed, with one model, on the processor."""

    def __init__(self, model: str | None = None) -> None:
        self._source: ModelSource = open_named(model)
        self.model = self._source.config.name
        self.engines = [EngineMeasurement(*engine) for engine in _candidates()]

    def run(self, report: Callable[[str], None] = lambda _: None) -> Iterator[EngineMeasurement]:
        """Yield the engines as they are done; all take turns, so that a busy machine is fair.

        ``report`` is called with what comes next.
        """
        pixels = check_pixels(self._source.config.preprocessing)  # (16, s, s, 3)
        encoders: dict[str, ModelEncoder] = {}
        expected: NDArray[np.float32] | None = None
        for engine in self.engines:
            report(f"loading {self.model} with {engine.name}")
            encoder = ModelEncoder(self._source, "cpu", engine.precision, engine.backend)
            try:
                rows = encoder.encode_images(pixels)  # (16, d)
            except ClipcliError as error:
                engine.fault = error.message
                continue
            expected = rows if expected is None else expected  # torch in fp32 comes first
            engine.cosine = float((rows * expected).sum(axis=1).mean())
            encoders[engine.name] = encoder
        self._measure(encoders, pixels, report)
        yield from self.engines

    def _measure(
        self,
        encoders: dict[str, ModelEncoder],
        pixels: NDArray[np.uint8],
        report: Callable[[str], None],
    ) -> None:
        rates: dict[str, list[float]] = {name: [] for name in encoders}
        for i in range(ROUNDS):
            report(f"measuring, round {i + 1} of {ROUNDS}")
            for name, encoder in encoders.items():
                rates[name].append(_rate(encoder, pixels))
        for engine in self.engines:
            if engine.name in rates:
                engine.images_per_s = statistics.median(rates[engine.name])

    @property
    def best(self) -> EngineMeasurement:
        """The fastest of those whose vectors are as good as torch's."""
        near = [engine for engine in self.engines if engine.cosine >= NEAR_COSINE]
        return max(near, key=lambda engine: engine.images_per_s)

    def store(self, engine: EngineMeasurement) -> None:
        """Let ``--backend auto`` take this engine for the model, on processors of this kind.

        Raises
        ------
        OutputError
            If the choice cannot be written.
        """
        try:
            remember(self._source, engine.backend, engine.precision)
        except OSError as error:
            raise OutputError(f"the choice cannot be kept: {error.strerror or error}") from error


def _candidates() -> Iterator[tuple[str, str]]:
    yield REFERENCE
    if FAST_BF16 & processor_features():
        yield "torch", "bf16"
    if find_spec("onnxruntime"):
        yield "onnx", "fp32"
        yield "onnx", "int8"
    if find_spec("openvino") and find_spec("nncf"):
        yield "openvino", "fp32"
        yield "openvino", "int8"


def _rate(encoder: ModelEncoder, pixels: NDArray[np.uint8]) -> float:
    """Return pictures a second, in batches of the size that the engine wants."""
    import numpy as np

    batch = np.resize(pixels, (encoder.batch_size, *pixels.shape[1:]))
    return images_per_s(encoder.encode_images, batch, ROUND_S)
