"""The text tower in numpy: a few labels become rows without torch.

Importing torch takes longer than encoding the prompts of a hundred labels. This is the network of
:mod:`clipcli.encoder.torch.text` (and of SigLIP's text tower) once more, in fp32: its rows differ
from torch's by rounding alone. Texts are packed (see ``packing``), packs go through a layer side
by side, one on each core, and each layer's weights are converted when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, repeat

import numpy as np

from clipcli.encoder.numpy_text.block import Array, Block, layer_norm, linear, read_block, run_block
from clipcli.encoder.numpy_text.packing import STEP, Pack, Text, packs
from clipcli.encoder.numpy_text.tensors import TensorReader
from clipcli.errors import ModelError
from clipcli.models.config import AnyArchitecture, SiglipArchitecture
from clipcli.models.formats.tensor_map import complain, is_weightless
from clipcli.models.source import ModelSource
from clipcli.process import usable_cores
from clipcli.vectors import unit_rows

EPSILON = {"clip": 1e-5, "siglip": 1e-6}  # of every layer norm
# What a core works on should fit into its cache: 288 tokens x 2048 channels x 4 bytes = 2.4 MB.
PACK_TOKENS = 6 * STEP
PACKS_AT_ONCE = 64  # 18,432 tokens x 512 channels x 4 bytes = 38 MB
# What lies beside the text tower in a model's table.
IMAGE_SIDE = ("visual.", "logit_scale", "logit_bias")


@dataclass(frozen=True, slots=True)
class _Stream:
    """A pack on its way through the layers: activations (t, w), and who reads whom."""

    x: Array
    pack: Pack


class NumpyTextTower:
    """The text tower of a model; its weights stay in their file until they are used.

    Raises
    ------
    ModelError
        If the weights do not fit the architecture exactly.
    """

    def __init__(self, source: ModelSource) -> None:
        self._architecture = source.config.architecture
        self._shape = self._architecture.text
        self._is_siglip = isinstance(self._architecture, SiglipArchitecture)
        self._epsilon = EPSILON["siglip" if self._is_siglip else "clip"]
        self._reader = TensorReader(source.plan)
        _check_fit(self._reader.shapes(), self._architecture, str(source.path))

    def encode(self, texts: Sequence[Text]) -> Array:
        """Encode p lists of token ids, start and end included, into unit rows (p, d)."""
        check_ids(texts, self._architecture)
        rows = np.empty((len(texts), self._architecture.embed_dim), np.float32)
        cores = usable_cores()
        n_tokens = sum(map(len, texts)) // (2 * cores)  # half of them are shared beginnings
        size = max(2 * STEP, min(PACK_TOKENS, n_tokens))
        waiting = packs(texts, size, is_causal=not self._is_siglip)
        with ThreadPoolExecutor(cores, thread_name_prefix="text") as pool:
            while several := list(islice(waiting, PACKS_AT_ONCE)):
                for pack, embedded in zip(several, self._embed(several, pool), strict=True):
                    rows[list(pack.texts)] = embedded[list(pack.texts.values())]
        if not np.isfinite(rows).all():
            raise ModelError("the model computes no finite vectors of texts", hint="check it")
        return rows

    def _embed(self, several: list[Pack], pool: ThreadPoolExecutor) -> Iterator[Array]:
        """Yield each pack's unit rows (m, d)."""
        streams = [self._start(pack) for pack in several]
        for i, block in enumerate(self._blocks(pool)):
            is_last = i == self._shape.layers - 1
            streams = list(pool.map(self._advance, streams, repeat(block), repeat(is_last)))
        yield from self._finish([stream.x for stream in streams])

    def _blocks(self, pool: ThreadPoolExecutor) -> Iterator[Block]:
        """Yield each layer's weights; the next ones are being read while these are in use."""
        names = [f"transformer.resblocks.{i}" for i in range(self._shape.layers)]

        def submit(i: int) -> Future[Block]:
            return pool.submit(read_block, self._reader, names[i], self._shape)

        reading = submit(0)
        for i in range(len(names)):
            block = reading.result()
            if i + 1 < len(names):
                reading = submit(i + 1)
            yield block

    def _start(self, pack: Pack) -> _Stream:
        x = self._reader.read_rows("token_embedding.weight", pack.tokens)  # (t, w)
        positions = self._reader.read("positional_embedding")  # (l, w)
        return _Stream(x + positions[pack.positions], pack)

    def _advance(self, stream: _Stream, block: Block, is_last: bool) -> _Stream:
        pack = stream.pack
        readings = pack.last if is_last else pack.readings
        going_on = pack.ends if is_last else None  # the others have been read by now
        x = run_block(
            stream.x, block, readings, going_on, self._architecture.activation, self._epsilon
        )
        return replace(stream, x=x)  # (t, w), or in the end (m, w)

    def _finish(self, several: Iterable[Array]) -> Iterator[Array]:
        norm = self._reader.read("ln_final.weight"), self._reader.read("ln_final.bias")
        if self._is_siglip:
            weight = self._reader.read("text_projection.weight")  # (d, w)
            bias = self._reader.read("text_projection.bias")  # (d,)
        else:
            weight = self._reader.read("text_projection").T  # (d, w)
            bias = np.zeros(self._architecture.embed_dim, np.float32)
        for x in several:
            yield unit_rows(linear(layer_norm(x, norm, self._epsilon), (weight, bias)))


def check_ids(texts: Sequence[Text], architecture: AnyArchitecture) -> None:
    """Refuse token ids that the network has no place for, before they break it."""
    shape = architecture.text
    if max((max(ids) for ids in texts), default=0) >= shape.vocab_size:
        raise ModelError(
            "the tokenizer has more tokens than the network: they do not belong together"
        )
    if max(map(len, texts), default=0) > shape.context_length:
        raise ModelError(f"a text is longer than the context of {shape.context_length} tokens")
    if isinstance(architecture, SiglipArchitecture):
        # Its padding is part of the text, and zeros put there by us would be another text.
        assert all(len(ids) == shape.context_length for ids in texts)


def _check_fit(
    shapes: Mapping[str, tuple[int, ...]], architecture: AnyArchitecture, source: str
) -> None:
    """Refuse a text tower of other tensors than the architecture has, as torch's side does."""
    expected = _expected_shapes(architecture)
    found = {
        name: shape
        for name, shape in shapes.items()
        if not name.startswith(IMAGE_SIDE) and not is_weightless(name)
    }
    misshapen = [
        f"{name} {_axes(shape)} where {_axes(expected[name])} belongs"
        for name, shape in found.items()
        if name in expected and shape != expected[name]
    ]
    faults = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": misshapen,
    }
    complain(source, faults)


def _expected_shapes(architecture: AnyArchitecture) -> dict[str, tuple[int, ...]]:
    shape, d = architecture.text, architecture.embed_dim
    w, mlp = shape.width, shape.mlp_width
    expected: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (shape.vocab_size, w),
        "positional_embedding": (shape.context_length, w),
        "ln_final.weight": (w,),
        "ln_final.bias": (w,),
    }
    if isinstance(architecture, SiglipArchitecture):
        expected |= {"text_projection.weight": (d, w), "text_projection.bias": (d,)}
    else:
        expected["text_projection"] = (w, d)
    parts: dict[str, tuple[int, ...]] = {
        **{f"{norm}.{kind}": (w,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")},
        "attn.in_proj_weight": (3 * w, w),
        "attn.in_proj_bias": (3 * w,),
        "attn.out_proj.weight": (w, w),
        "attn.out_proj.bias": (w,),
        "mlp.c_fc.weight": (mlp, w),
        "mlp.c_fc.bias": (mlp,),
        "mlp.c_proj.weight": (w, mlp),
        "mlp.c_proj.bias": (w,),
    }
    for i in range(shape.layers):
        expected |= {f"transformer.resblocks.{i}.{part}": of for part, of in parts.items()}
    return expected


def _axes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
