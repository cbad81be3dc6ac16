"""A model that is whole: its configuration, where its tensors lie, its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from clipcli.errors import ModelError
from clipcli.models.config import Activation, ModelConfig, SiglipArchitecture
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.formats.safetensors import read_tensor_table
from clipcli.models.formats.tensor_map import StoredTensor, TensorPlan, as_they_are
from clipcli.models.tokenizer.vocabulary import read_vocabulary

if TYPE_CHECKING:
    from clipcli.models.tokenizer.clip import TextTokenizer

Layout: TypeAlias = Literal["clipcli", "huggingface", "openai", "openclip", "state dict"]


class ModelSource(NamedTuple):
    """A model that is whole, as far as can be known without loading the weights."""

    path: Path  # as it was named
    layout: Layout
    config: ModelConfig  # its fingerprint is filled in
    plan: TensorPlan  # our tensors' names, and what they are made of
    tokenizer_path: Path

    def read_tokenizer(self) -> TextTokenizer:
        """Read the model's own tokenizer."""
        architecture = self.config.architecture
        if isinstance(architecture, SiglipArchitecture):
            from clipcli.models.tokenizer.siglip import SiglipTokenizer

            return SiglipTokenizer(self.tokenizer_path, architecture)
        from clipcli.models.tokenizer.clip import Tokenizer

        vocabulary = read_vocabulary(self.tokenizer_path)
        if len(vocabulary.ids) != (size := architecture.text.vocab_size):
            raise ModelError(
                f"{self.tokenizer_path}: has {len(vocabulary.ids):,} tokens, the text tower "
                f"{size:,}: they do not belong together"
            )
        return Tokenizer(vocabulary, architecture.text.context_length)


def source_of(folder: ModelFolder) -> ModelSource:
    """Return our own model folder as a source like any other."""
    table = {
        name: StoredTensor(folder.weights_path, place)
        for name, place in read_tensor_table(folder.weights_path).items()
    }
    return ModelSource(
        folder.path, "clipcli", folder.config, as_they_are(table), folder.vocabulary_path
    )


def check_activation(given: Activation | None, said: Activation, source: Path) -> None:
    """Refuse an activation that the user gives, where the files say otherwise.

    Raises
    ------
    ModelError
    """
    if given not in (None, said):
        raise ModelError(
            f"{source}: says that the activation is {said}, not {given}",
            hint="leave --activation out, or correct the file",
        )
