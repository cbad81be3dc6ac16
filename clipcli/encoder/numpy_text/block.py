"""One layer of a text tower in numpy: attention, then the perceptron.

The same arithmetic as :mod:`clipcli.encoder.torch.transformer`, on tokens that lie in one long row.
Symbols: ``t`` tokens, ``w`` width, ``h`` heads, ``c`` = w / h channels of a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipcli.encoder.numpy_text.packing import Places, Reading
from clipcli.encoder.numpy_text.tensors import TensorReader
from clipcli.models.config import Activation, TextTransformer

Array: TypeAlias = NDArray[np.float32]
Affine: TypeAlias = tuple[Array, Array]  # weight (out, in) and bias (out,); of a norm both (w,)


@dataclass(frozen=True, slots=True)
class Block:
    """The weights of one layer, as float32."""

    ln_1: Affine
    q: Affine  # (w, w)
    kv: Affine  # (2w, w)
    out: Affine  # (w, w)
    ln_2: Affine
    c_fc: Affine  # (mlp, w)
    c_proj: Affine  # (w, mlp)
    heads: int


def read_block(reader: TensorReader, name: str, shape: TextTransformer) -> Block:
    """Read the weights of the layer of that name."""

    def affine(part: str) -> Affine:
        return reader.read(f"{name}.{part}.weight"), reader.read(f"{name}.{part}.bias")

    weight = reader.read(f"{name}.attn.in_proj_weight")  # (3w, w): queries, keys, values
    bias = reader.read(f"{name}.attn.in_proj_bias")  # (3w,)
    w = shape.width
    return Block(
        affine("ln_1"),
        (weight[:w], bias[:w]),
        (weight[w:], bias[w:]),
        affine("attn.out_proj"),
        affine("ln_2"),
        affine("mlp.c_fc"),
        affine("mlp.c_proj"),
        shape.heads,
    )


def run_block(
    x: Array,
    block: Block,
    readings: Iterable[Reading],
    going_on: Places | None,
    activation: Activation,
    epsilon: float,
) -> Array:
    """Take tokens (t, w) through one layer; only those ``going_on`` come out, by default all.

    ``readings``' queries are places among those who go on.
    """
    normed = layer_norm(x, block.ln_1, epsilon)  # (t, w)
    kv = linear(normed, block.kv)  # (t, 2w)
    if going_on is not None:
        x, normed = x[going_on], normed[going_on]
    q = linear(normed, block.q)
    x = x + linear(_attend(q, kv, readings, block.heads), block.out)
    hidden = linear(layer_norm(x, block.ln_2, epsilon), block.c_fc)  # (t, mlp)
    ACTIVATIONS[activation](hidden)
    x += linear(hidden, block.c_proj)
    return x


def layer_norm(x: Array, norm: Affine, epsilon: float) -> Array:
    """Normalise each token (t, w) and scale it (Ba et al. 2016, arXiv:1607.06450)."""
    centred: Array = x - x.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)  # (t, 1)
    centred /= np.sqrt(variance + np.float32(epsilon))
    centred *= norm[0]
    centred += norm[1]
    return centred


def linear(x: Array, affine: Affine) -> Array:
    """Multiply tokens (t, in) with a weight (out, in) and add the bias: -> (t, out)."""
    weight, bias = affine
    y: Array = x @ weight.T
    y += bias
    return y


def _attend(q: Array, kv: Array, readings: Iterable[Reading], heads: int) -> Array:
    """Let each query (t, w) read its keys and values (t, 2w) (Vaswani et al. 2017, 3.2)."""
    width = q.shape[1]
    scale: np.float32 = np.float32(math.sqrt(width // heads))
    mixed = np.zeros_like(q)
    for reading in readings:
        n, a = reading.queries.shape
        queries: Array = (q[reading.queries] / scale).reshape(n, a, heads, -1)  # (n, a, h, c)
        both = kv[reading.keys].reshape(n, -1, 2, heads, width // heads)  # (n, b, 2, h, c)
        keys, values = both[:, :, 0], both[:, :, 1]  # (n, b, h, c)
        weights = queries.transpose(0, 2, 1, 3) @ keys.transpose(0, 2, 3, 1)  # (n, h, a, b)
        _softmax(weights)
        read = weights @ values.transpose(0, 2, 1, 3)  # (n, h, a, c)
        mixed[reading.queries] = read.transpose(0, 2, 1, 3).reshape(n, a, width)
    return mixed


def _softmax(x: Array) -> None:
    """Softmax over the last axis, in place."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)


def _quick_gelu(x: Array) -> None:
    """``x * sigmoid(1.702 x)``, in place."""
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and x / infinity is 0
        divisor = np.exp(x * np.float32(-1.702))
    divisor += 1
    x /= divisor


def _gelu(x: Array) -> None:
    """``x * (1 + erf(x / sqrt(2))) / 2``, in place.

    As ``max(x, 0) - |x| erfc(|x| / sqrt(2)) / 2``, with the rational approximation 7.1.26 of
    Abramowitz & Stegun 1964: its error, 1.5e-7 at most, is that of float32 itself.
    """
    size = np.abs(x)
    t = np.reciprocal(1 + np.float32(0.3275911 / math.sqrt(2)) * size)
    series = np.full_like(t, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series *= t
        series += np.float32(coefficient)
    series *= t
    series *= np.exp(np.float32(-0.5) * size * size)  # erfc(|x| / sqrt(2))
    series *= np.float32(0.5) * size
    np.maximum(x, 0, out=x)
    x -= series


def _gelu_tanh(x: Array) -> None:
    """Approximate by tanh (Hendrycks & Gimpel 2016, section 2), in place."""
    inner = x * x
    inner *= np.float32(0.044715)
    inner += 1
    inner *= x
    inner *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(inner, out=inner)
    inner += 1
    inner *= np.float32(0.5)
    x *= inner


ACTIVATIONS: dict[Activation, Callable[[Array], None]] = {
    "quick_gelu": _quick_gelu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
