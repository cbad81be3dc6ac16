"""The one door to the network: numpy in, numpy out, loaded when first asked.

Everything that can be known without an engine (name, fingerprint, input size, prompts' token
counts, the rows of a few prompts) is answered from the model's files; :meth:`ModelEncoder.start`
begins the slow part in the background, so that pictures are decoded meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from clipcli.encoder.engines import (
    BACKENDS,
    DEVICES,
    PRECISIONS,
    check_names,
    choose_engine,
    may_have_card,
    usual_engine,
)
from clipcli.models.config import ModelConfig, TextTransformer
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.resolve import open_named
from clipcli.models.source import ModelSource, source_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.numpy_text.tower import NumpyTextTower
    from clipcli.encoder.onnx.runner import OnnxRunner
    from clipcli.encoder.openvino.runner import OpenVinoRunner
    from clipcli.encoder.torch.runner import TorchRunner
    from clipcli.models.tokenizer.clip import TextTokenizer

    Runner: TypeAlias = TorchRunner | OnnxRunner | OpenVinoRunner

__all__ = ["BACKENDS", "DEVICES", "PRECISIONS", "Encoder", "ModelEncoder", "load_encoder"]

# Rows of labels are kept on disk and each decides about all pictures. With shared beginnings
# computed once (see ``numpy_text``), bf16 would gain too little to be worth a second kind of row.
TEXT_PRECISION = "fp32"


class Encoder(Protocol):
    """What the pipeline needs of a model; tests put plain arithmetic in its place."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def tokenizer(self) -> TextTokenizer: ...

    @property
    def asked(self) -> tuple[str, ...]: ...

    @property
    def is_loaded(self) -> bool: ...

    @property
    def device(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def batch_size(self) -> int: ...

    def start(self) -> None: ...

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]: ...

    def encode_texts(self, prompts: Sequence[str]) -> NDArray[np.float32]: ...


class ModelEncoder:
    """A model that answers with vectors; its engine is imported when first needed."""

    def __init__(
        self,
        model: ModelSource | ModelFolder,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
    ) -> None:
        self._source = model if isinstance(model, ModelSource) else source_of(model)
        self.backend, precision = choose_engine(self._source, device, precision, backend)
        self._asked = (device, precision)
        self._lock = threading.Lock()
        self._running = threading.Lock()  # the network is not for two threads at once
        self._loading: Future[Runner] | None = None

    @property
    def config(self) -> ModelConfig:
        """Architecture, preprocessing and scoring, as ``config.json`` says."""
        return self._source.config

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The model's own tokenizer."""
        return self._source.read_tokenizer()

    def start(self) -> None:
        """Begin to load the engine and the weights in the background; safe to call again."""
        if (loading := self._begin()) is not None:
            threading.Thread(
                target=self._load_into, args=(loading,), name="load", daemon=True
            ).start()

    def start_early(self) -> None:
        """Do what :meth:`start` does, long before the first picture, where that is worth it.

        That is with a graph for ONNX Runtime. Imports hold the interpreter, on whatever thread, so
        they are done in this one, and only what ONNX Runtime does by itself is left to a thread.
        """
        is_ready = self.backend == "onnx" and not self.has_to_export
        if is_ready and (loading := self._begin()) is not None:
            self._load_into(loading)
            error = loading.exception()
            if error is not None and not isinstance(error, Exception):  # Ctrl-C
                raise error

    def _begin(self) -> Future[Runner] | None:
        """Return where the engine is to appear, to the first who asks."""
        with self._lock:
            if self._loading is not None:
                return None
            self._loading = Future()
            return self._loading

    def _load_into(self, future: Future[Runner]) -> None:
        try:
            future.set_result(self._load())
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            future.set_exception(error)

    def _load(self) -> Runner:
        if self.backend == "openvino":
            from clipcli.encoder.openvino.runner import OpenVinoRunner

            rival = usual_engine(self._source).backend
            return OpenVinoRunner.load(self._source, *self._asked, rival)
        if self.backend == "onnx":
            from clipcli.encoder.onnx.runner import OnnxRunner

            return OnnxRunner.load(self._source, *self._asked)
        from clipcli.encoder.torch.runner import TorchRunner

        return TorchRunner.load(self._source, *self._asked)

    @property
    def asked(self) -> tuple[str, ...]:
        """The device and precision that were asked for, and the backend that was chosen."""
        return self._asked if self.backend == "torch" else (*self._asked, self.backend)

    @property
    def has_to_export(self) -> bool:
        """Whether loading begins with making the model ready for its engine, which is slow."""
        if self.backend == "torch" or self.is_loaded:
            return False
        if self.backend == "onnx":
            from clipcli.encoder.onnx import runner as onnx

            return onnx.has_to_export(self._source, *self._asked)
        from clipcli.encoder.openvino import runner as openvino

        return openvino.has_to_export(self._source, *self._asked)

    @property
    def is_loaded(self) -> bool:
        """Whether the model is there, so that questions about it cost nothing."""
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is None

    @property
    def _runner(self) -> Runner:
        self.start()
        assert self._loading is not None
        return self._loading.result()

    @property
    def device(self) -> str:
        """The device in use, such as ``cpu`` or ``cuda:0``."""
        return self._runner.device

    @property
    def precision(self) -> str:
        """The precision of the image tower: fp32, bf16, fp16, or an engine's, as int8-onnx."""
        return self._runner.precision

    @property
    def engine(self) -> str:
        """The package that runs the image tower, such as ``onnxruntime``."""
        return self._runner.engine

    @property
    def note(self) -> str:
        """How far the backend is from torch, in a line; nothing for torch itself."""
        return self._runner.note

    @property
    def batch_size(self) -> int:
        """How many images are worth encoding at once on this device."""
        return self._runner.batch_size

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode preprocessed images (n, s, s, 3), uint8, into unit rows (n, d), float32."""
        runner = self._runner
        with self._running:
            return runner.encode_images(pixels)

    def encode_texts(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Encode p prompts into unit rows (p, d), float32; over-long ones are cut.

        This is done by numpy, and torch stays out of it, unless they are so many that a graphics
        card pays.
        """
        texts = [self.tokenizer.tokenize(prompt).ids for prompt in prompts]
        if not self._is_for_card(len(texts)):
            return self._numpy_tower.encode(texts)
        runner = cast("TorchRunner", self._runner)  # nothing else runs on cards
        with self._running:
            return runner.encode_texts(texts)

    def _is_for_card(self, n_prompts: int) -> bool:
        shape, device = self.config.architecture.text, self._asked[0]
        device = device if self.backend == "torch" else "cpu"
        return is_for_card(shape, n_prompts, device) and self.device != "cpu"

    @cached_property
    def _numpy_tower(self) -> NumpyTextTower:
        from clipcli.encoder.numpy_text.tower import NumpyTextTower

        return NumpyTextTower(self._source)


def load_encoder(
    model: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
) -> ModelEncoder:
    """Open a model by name, folder or file (None: the default one) without importing an engine.

    Raises
    ------
    ModelError
        If there is no such model, or its folder is not whole.
    DeviceError
        If there is no device, precision or backend of that name; at first use, if there is none
        here.
    MissingExtraError
        If the backend is not installed.
    """
    check_names(device, precision, backend)
    return ModelEncoder(open_named(model), device, precision, backend)


# Measured (tests/benchmarks/bench_text.py): a prompt has 10 tokens, of which other prompts share
# about half, and numpy does some 120 billion operations a second on a core. So this is 2 x 5 x 2e10
# / 1.2e11 = 1.7 s on one core, which is what torch takes to load, and for ViT-B/32, with 38 million
# weights, 530 prompts. On a processor torch is no faster than numpy, however many they are.
CARD_FROM = 2e10  # prompts x weights


def is_for_card(shape: TextTransformer, n_prompts: int, device: str) -> bool:
    """Tell whether prompts are so many that a graphics card pays, and there may be one.

    ``device`` is what the user asked for; "auto" leaves it to torch, which is not asked here.
    """
    if device == "cpu" or n_prompts * n_weights(shape) < CARD_FROM:
        return False
    return device != "auto" or may_have_card()


def n_weights(shape: TextTransformer) -> int:
    """Count the weights that every token is multiplied with."""
    attention = 4 * shape.width**2  # queries, keys, values, and the way back
    return shape.layers * (attention + 2 * shape.width * shape.mlp_width)
