"""The shape of a model: sizes, preprocessing and scoring, as plain data.

It is what a model folder's ``config.json`` says. No weights, no torch, no numpy: whoever only
needs to know a model's input size or fingerprint pays nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from clipcli.strict_records import Between

Activation: TypeAlias = Literal["quick_gelu", "gelu", "gelu_tanh"]
MAX_SIZE = 2**24  # of anything that a model counts; the largest vocabularies have 256,000 tokens
MAX_LAYERS = 1024
Size: TypeAlias = Annotated[int, Between(1, MAX_SIZE)]
Layers: TypeAlias = Annotated[int, Between(1, MAX_LAYERS)]


@dataclass(frozen=True, slots=True)
class VisionTransformer:
    """A ViT image tower (Dosovitskiy et al. 2020; CLIP adds a layer norm before the blocks)."""

    image_size: Size  # pixels, square
    patch_size: Size  # pixels
    width: Size
    layers: Layers
    heads: Size
    mlp_width: Size


@dataclass(frozen=True, slots=True)
class ModifiedResNet:
    """CLIP's ResNet (Radford et al. 2021, section 2.4): ``layers`` are blocks per stage."""

    image_size: Size  # pixels, square, a multiple of 32
    width: Size  # channels after the stem
    layers: tuple[Layers, Layers, Layers, Layers]
    heads: Size  # of the attention pooling


@dataclass(frozen=True, slots=True)
class EfficientNetLite:
    """An EfficientNet-Lite trunk (Tan and Le 2019) and the head that embeds its mean feature."""

    image_size: Size  # pixels, square
    widths: tuple[Size, Size, Size, Size, Size, Size, Size]  # channels after each stage
    depths: tuple[Layers, Layers, Layers, Layers, Layers, Layers, Layers]  # blocks in each stage
    hidden_width: Size  # of the head


@dataclass(frozen=True, slots=True)
class TextTransformer:
    """A text tower; CLIP's is causal and read at the end-of-text token."""

    context_length: Size  # tokens, start and end included
    vocab_size: Size
    width: Size
    layers: Layers
    heads: Size
    mlp_width: Size


@dataclass(frozen=True, slots=True)
class Architecture:
    """Both towers and what joins them."""

    embed_dim: Size
    image: VisionTransformer | ModifiedResNet | EfficientNetLite
    text: TextTransformer
    activation: Activation
    logit_bias: bool = False  # a learned bias beside the learned scale (SigLIP's loss)


@dataclass(frozen=True, slots=True)
class SiglipArchitecture:
    """SigLIP's towers (Zhai et al. 2023; Tschannen et al. 2025): what differs from CLIP's.

    The image tower has no class token and pools by attention; the text tower sees both ways and is
    read at its last position, so every text is padded to the whole context. Scale *and* bias are
    learned.
    """

    embed_dim: Size  # the image tower's width
    image: VisionTransformer
    text: TextTransformer
    activation: Activation
    text_cleaning: Literal["canonicalize", "lower"]  # SigLIP also drops punctuation, SigLIP 2 not
    end_token: str  # closes every text
    pad_token: str  # fills it up

    @property
    def logit_bias(self) -> bool:
        """Whether there is a learned bias beside the learned scale: always."""
        return True


AnyArchitecture: TypeAlias = Architecture | SiglipArchitecture


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a decoded RGB picture becomes the tower's square input."""

    size: Size  # pixels
    resize_mode: Literal["shortest", "squash", "longest"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    crop_rounding: Literal["floor", "round"] = "round"  # floor: Hugging Face; round: OpenAI
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)


ENGLISH, MANY_LANGUAGES = "English", "many languages"
_ENGLISH_VOCABULARY = 100_000  # tokens; CLIP's has 49,408, and those of many languages 250,000


def languages_of(vocab_size: int) -> str:
    """Say what a text tower reads, by its vocabulary: English, or many languages."""
    return ENGLISH if vocab_size < _ENGLISH_VOCABULARY else MANY_LANGUAGES


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """All that ``config.json`` says; ``fingerprint`` covers weights, tokenizer and numbers."""

    name: str
    architecture: Architecture | SiglipArchitecture
    preprocessing: Preprocessing
    logit_scale: float  # multiplies cosines; exp of the weights' log parameter, checked on loading
    logit_bias: float = 0.0
    scoring: Literal["softmax", "sigmoid"] = "softmax"
    templates: tuple[str, ...] = ()  # the model's own; empty: clipcli's default set
    fingerprint: str = ""  # sha256 in hex, as stored when the folder was written
    licence: str = ""
    source: str = ""  # where the weights come from, in a line
