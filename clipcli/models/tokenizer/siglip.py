"""SigLIP's tokens: cleaning, the library that splits, the end, the padding.

SigLIP drops punctuation ("canonicalize" in https://github.com/google-research/big_vision); SigLIP 2
only lower-cases. Splitting is the work of the ``tokenizers`` library, from the model's own file.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Literal

from clipcli.errors import MissingExtraError, ModelError
from clipcli.files import read_regular
from clipcli.models.config import SiglipArchitecture
from clipcli.models.tokenizer.clip import Tokenized

_DROP = str.maketrans("", "", string.punctuation)
MAX_BYTES = 64 * 1024**2  # SigLIP 2's tokenizer.json has 34 MB
INSTALL = 'pip install "clipcli[siglip]"'


class SiglipTokenizer:
    """Turns prompts into token ids, always a whole context of them.

    Raises
    ------
    MissingExtraError
        If the ``tokenizers`` library is not installed.
    ModelError
        If the file cannot be read, or lacks the tokens that end and fill a text.
    """

    def __init__(self, path: Path, architecture: SiglipArchitecture) -> None:
        self._tokenizer = _load(path)
        self._cleaning = architecture.text_cleaning
        self.context_length = architecture.text.context_length
        self._end_id = self._id(architecture.end_token, path)
        self._pad_id = self._id(architecture.pad_token, path)
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        if size > architecture.text.vocab_size:
            raise ModelError(
                f"{path}: has {size:,} tokens, the text tower {architecture.text.vocab_size:,}: "
                "they do not belong together"
            )

    def tokenize(self, prompt: str) -> Tokenized:
        """Return tokens, end and padding; a prompt beyond the context loses its last tokens."""
        text = clean_siglip_text(prompt, self._cleaning)
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        n_tokens = len(ids) + 1
        ids = [*ids[: self.context_length - 1], self._end_id]
        padding = [self._pad_id] * (self.context_length - len(ids))
        return Tokenized([*ids, *padding], n_tokens)

    def _id(self, token: str, path: Path) -> int:
        id_: int | None = self._tokenizer.token_to_id(token)
        if id_ is None:
            raise ModelError(f"{path}: there is no token {token!r}, which every text needs")
        return id_


def clean_siglip_text(text: str, cleaning: Literal["canonicalize", "lower"]) -> str:
    """Lower-case a text; ``canonicalize`` also drops punctuation and needless spaces."""
    text = text.lower()
    if cleaning == "lower":
        return text
    # In file names and labels an underscore is a space, as in the models' own evaluation.
    return " ".join(text.replace("_", " ").translate(_DROP).split())


def _load(path: Path):  # type: ignore[no-untyped-def]  # the library may not be there
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError(
            "SigLIP's tokenizer needs the tokenizers library, which is not installed", hint=INSTALL
        ) from error
    try:
        tokenizer = Tokenizer.from_buffer(read_regular(path, ModelError, MAX_BYTES))
    except ModelError:
        raise
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{path}: not a tokenizer file: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # what a user types is never a command
    return tokenizer
