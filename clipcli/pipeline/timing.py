"""Where the time of a run goes, for ``--verbose``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clipcli.models.config import ModelConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.encoder import Encoder
    from clipcli.models.tokenizer.clip import TextTokenizer


class TimedEncoder:
    """An encoder that counts the seconds somebody waited for it, by what they waited for."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._started = time.perf_counter()
        self.loading_s = self.images_s = self.texts_s = 0.0

    @property
    def total_s(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._started

    @property
    def config(self) -> ModelConfig:
        return self._encoder.config

    @property
    def tokenizer(self) -> TextTokenizer:
        return self._encoder.tokenizer

    @property
    def asked(self) -> tuple[str, ...]:
        return self._encoder.asked

    @property
    def is_loaded(self) -> bool:
        return self._encoder.is_loaded

    @property
    def device(self) -> str:
        return self._encoder.device

    @property
    def precision(self) -> str:
        return self._encoder.precision

    @property
    def engine(self) -> str:
        return self._encoder.engine

    @property
    def note(self) -> str:
        return self._encoder.note

    @property
    def batch_size(self) -> int:
        return self._encoder.batch_size

    def start(self) -> None:
        self._encoder.start()

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._load()
        with self._counted("images_s"):
            return self._encoder.encode_images(pixels)

    def encode_texts(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        with self._counted("texts_s"):  # mostly without torch, so there is no waiting for it
            return self._encoder.encode_texts(prompts)

    def _load(self) -> None:
        with self._counted("loading_s"):
            _ = self._encoder.device  # is not known before the model is there

    @contextmanager
    def _counted(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, phase, getattr(self, phase) + time.perf_counter() - start)
