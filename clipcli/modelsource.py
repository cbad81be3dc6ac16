"""This file knows about models in whatever layout they come: our own folder, or somebody else's.

:func:`open_model` looks at files without torch and says all that can be known before the weights
are loaded; what it cannot establish, it does not guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipcli.architecture import Activation, ModelConfig, SiglipArchitecture
from clipcli.errors import ModelError
from clipcli.tensorfile import read_tensor_table
from clipcli.tensortable import Plan, Stored, as_they_are
from clipcli.weights import ModelFolder, open_model_folder

if TYPE_CHECKING:
    from clipcli.tokenizer import TextTokenizer

Layout: TypeAlias = Literal["clipcli", "huggingface", "openai", "openclip", "state dict"]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that is whole, as far as can be told without loading the weights."""

    path: Path  # as it was named
    layout: Layout
    config: ModelConfig  # its fingerprint is filled in
    plan: Plan  # our tensors' names, and what they are made of
    tokenizer_path: Path

    def read_tokenizer(self) -> TextTokenizer:
        """Read the model's own tokenizer."""
        architecture = self.config.architecture
        if isinstance(architecture, SiglipArchitecture):
            from clipcli.siglip_tokenizer import SiglipTokenizer

            return SiglipTokenizer(self.tokenizer_path, architecture)
        from clipcli.tokenizer import Tokenizer
        from clipcli.vocabulary import read_vocabulary

        return Tokenizer(read_vocabulary(self.tokenizer_path), architecture.text.context_length)


def open_model(
    path: Path,
    *,
    activation: Activation | None = None,
    vocabulary: Path | None = None,
    preprocessing: str | None = None,
) -> ModelSource:
    """Open a model folder or checkpoint file in any layout that clipcli reads, without torch.

    Parameters
    ----------
    path
        Our own folder, a Hugging Face or OpenCLIP folder, or a checkpoint file (``.safetensors``,
        ``.bin``, ``.pt``, ``.pth``).
    activation
        Needed where the files do not say it; refused where they say otherwise.
    vocabulary
        A merges file or ``tokenizer.json``, where none lies beside the weights.
    preprocessing
        ``"clip"`` (as OpenAI released it) or a ``preprocessor_config.json``, where the files do
        not say it.

    Raises
    ------
    ModelError
        If something is missing, unreadable, contradicts itself, or cannot be established.
    """
    if path.is_dir() and (path / "config.json").is_file():
        return source_of(open_model_folder(path))
    raise ModelError(f"{path}: not a model folder")


def source_of(folder: ModelFolder) -> ModelSource:
    """Return our own model folder as a source like any other."""
    table = {
        name: Stored(folder.weights_path, place)
        for name, place in read_tensor_table(folder.weights_path).items()
    }
    return ModelSource(
        folder.path, "clipcli", folder.config, as_they_are(table), folder.vocabulary_path
    )
