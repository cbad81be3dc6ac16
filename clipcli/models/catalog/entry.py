"""One row of the catalogue: a published model, and its files on the hub.

The hub is https://huggingface.co. A repository there has one of two layouts: ``huggingface`` (that
library's ``config.json`` and its names of tensors) or ``openclip`` (``open_clip_config.json`` and
OpenAI's names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from clipcli.errors import ModelError
from clipcli.models.config import (
    AnyArchitecture,
    Preprocessing,
    SiglipArchitecture,
    languages_of,
)
from clipcli.models.tokenizer.vocabulary import (
    IDS_NAME,
    MERGES_NAME,
    SENTENCEPIECE_NAMES,
    SETTINGS_NAME,
    TOKENIZER_NAME,
)

Layout: TypeAlias = Literal["openclip", "huggingface"]

BYTES_PER_PARAMETER = 4  # published weights are float32

# Of each line the first that is there is taken. Safetensors come before pickles.
CONFIGS: Mapping[Layout, tuple[str, ...]] = {
    "openclip": ("open_clip_config.json",),
    "huggingface": ("config.json",),
}
PREPROCESSING: Mapping[Layout, tuple[str, ...]] = {
    "openclip": (),  # it is in the configuration
    "huggingface": ("preprocessor_config.json", "processor_config.json"),
}
WEIGHTS: Mapping[Layout, tuple[str, ...]] = {
    "openclip": (
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "open_clip_pytorch_model.bin",
    ),
    "huggingface": (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ),
}
SHARDS = {  # an index stands for all of these
    "model.safetensors.index.json": re.compile(r"model-\d+-of-\d+\.safetensors"),
    "pytorch_model.bin.index.json": re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}
CLIP_TOKENIZERS = ((MERGES_NAME, IDS_NAME), (TOKENIZER_NAME,), (MERGES_NAME,))
SIGLIP_TOKENIZERS = ((TOKENIZER_NAME,), *((name,) for name in SENTENCEPIECE_NAMES))
WORDPIECE_TOKENIZERS = ((TOKENIZER_NAME,), ("vocab.txt",))
SIGLIP_EXTRAS = (SETTINGS_NAME, "special_tokens_map.json")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A published model: what it is, where it lies and how good it is said to be.

    A figure that nobody read in its source is not here: the text is empty, the number None.
    """

    name: str  # letters, digits and ``._-``: also the name of the installed model
    aliases: tuple[str, ...]  # other names; case and ``/ : @ , . _ -`` make no difference
    family: str
    architecture: AnyArchitecture
    preprocessing: Preprocessing
    n_parameters: int
    licence: str  # as the hub spells it: ``mit``
    repository: str  # on the hub: ``owner/name``
    layout: Layout
    files: tuple[str, ...] = ()  # to download; empty: not read, ``wanted_files`` finds them
    sha256: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sha256_source: str = ""
    imagenet_top1: float | None = None  # zero-shot accuracy, per cent
    imagenet_source: str = ""

    @property
    def scoring(self) -> Literal["softmax", "sigmoid"]:
        """How similarities become probabilities."""
        return "sigmoid" if isinstance(self.architecture, SiglipArchitecture) else "softmax"

    @property
    def image_size(self) -> int:
        """The input's edge in pixels."""
        return self.architecture.image.image_size

    @property
    def context_length(self) -> int:
        """The longest text in tokens."""
        return self.architecture.text.context_length

    @property
    def languages(self) -> str:
        """Which languages labels may be in."""
        return languages_of(self.architecture.text.vocab_size)

    @property
    def download_bytes(self) -> int:
        """About how much a download is: the weights alone."""
        return self.n_parameters * BYTES_PER_PARAMETER

    def wanted_files(self, available: Iterable[str]) -> tuple[str, ...]:
        """Choose what to download from all of a repository's files; see the function."""
        is_siglip = isinstance(self.architecture, SiglipArchitecture)
        return wanted_files(self.repository, self.layout, available, is_siglip=is_siglip)


def wanted_files(
    repository: str,
    layout: Layout,
    available: Iterable[str],
    *,
    is_siglip: bool = False,
    is_bert: bool = False,  # the text tower: its tokenizer's file is another one
) -> tuple[str, ...]:
    """Choose what to download from a repository: configuration, weights once, tokenizer once.

    Raises
    ------
    ModelError
        If something is not there without which the model cannot be used.
    """
    there = {name for name in available if "/" not in name and "\\" not in name}
    config = [name for name in CONFIGS[layout] if name in there][:1]
    preprocessing = [name for name in PREPROCESSING[layout] if name in there][:1]
    weights = [name for name in WEIGHTS[layout] if name in there][:1]
    for index in weights[:1]:
        if index in SHARDS:
            weights += sorted(name for name in there if SHARDS[index].fullmatch(name))
    choices = SIGLIP_TOKENIZERS if is_siglip else CLIP_TOKENIZERS
    choices = WORDPIECE_TOKENIZERS if is_bert else choices
    tokenizer = next((choice for choice in choices if there.issuperset(choice)), ())
    for what, found in (("configuration", config), ("weights", weights), ("tokenizer", tokenizer)):
        if not found:
            raise ModelError(f"{repository}: no {what} of the {layout} layout among its files")
    extras = [name for name in SIGLIP_EXTRAS if is_siglip and name in there]
    return (*config, *preprocessing, *weights, *tokenizer, *extras)
