"""Which file of a folder is its tokenizer, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipcli.errors import ModelError
from clipcli.models.formats.json_reader import JsonObject, read_object
from clipcli.models.tokenizer.vocabulary import (
    MERGES_NAME,
    SENTENCEPIECE_NAMES,
    SETTINGS_NAME,
    TOKENIZER_NAME,
)

# OpenAI's own file, as its repository and those after it have it.
OPENAI_NAMES = ("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt")
CLEANINGS: dict[str, Literal["canonicalize", "lower"]] = {
    "SiglipTokenizer": "canonicalize",
    "Siglip2Tokenizer": "lower",
    "GemmaTokenizer": "lower",
}
# Where the settings do not name a class, the vocabulary's size tells the two apart.
SIZES: dict[int, str] = {32_000: "SiglipTokenizer", 256_000: "GemmaTokenizer"}
USUAL_TOKENS = {  # end, padding
    "SiglipTokenizer": ("</s>", "</s>"),
    "Siglip2Tokenizer": ("<eos>", "<pad>"),
    "GemmaTokenizer": ("<eos>", "<pad>"),
}


@dataclass(frozen=True, slots=True)
class SiglipTokens:
    """What a SigLIP tokenizer does around its vocabulary."""

    cleaning: Literal["canonicalize", "lower"]
    end: str
    pad: str


def find_clip_tokenizer(folder: Path) -> Path | None:
    """Return the file with CLIP's merges: ``merges.txt``, ``tokenizer.json`` or OpenAI's."""
    for name in (MERGES_NAME, TOKENIZER_NAME, *OPENAI_NAMES):
        # A merges.txt without its ids is not whole where the ids are not by the rule.
        if (folder / name).is_file():
            return folder / name
    return None


def find_siglip_tokenizer(folder: Path) -> Path:
    """Return the ``tokenizer.json``, which the ``tokenizers`` library reads."""
    path = folder / TOKENIZER_NAME
    if path.is_file():
        return path
    other = next((name for name in SENTENCEPIECE_NAMES if (folder / name).is_file()), None)
    if other is None:
        raise ModelError(f"{folder}: there is no tokenizer: {TOKENIZER_NAME} is missing")
    raise ModelError(
        f"{folder}: its tokenizer is there as {other} alone, and clipcli reads {TOKENIZER_NAME}",
        hint=f"fetch {TOKENIZER_NAME} from the model's repository too, or let transformers make it "
        "(AutoTokenizer.from_pretrained(…).save_pretrained(…)); reading it needs "
        '`pip install "clipcli[siglip]"`',
    )


def read_siglip_tokens(folder: Path, vocab_size: int) -> SiglipTokens:
    """Find out how a SigLIP folder's texts are cleaned, ended and filled up."""
    path = folder / SETTINGS_NAME
    data = read_object(path) if path.is_file() else JsonObject({}, path)
    kind = data.text("tokenizer_class", "").removesuffix("Fast")
    if kind not in CLEANINGS:
        kind = SIZES.get(vocab_size, "")
    if not kind:
        raise ModelError(
            f"{path}: does not say whether this is SigLIP's or SigLIP 2's tokenizer: "
            f"tokenizer_class is not one of {', '.join(CLEANINGS)}"
        )
    if data.values.get("padding_side", "right") != "right":
        raise data.wrong("padding_side", "right")
    end, pad = USUAL_TOKENS[kind]
    return SiglipTokens(
        CLEANINGS[kind], _token(data, "eos_token", end), _token(data, "pad_token", pad)
    )


def _token(data: JsonObject, key: str, usual: str) -> str:
    value = data.values.get(key)
    return data.section(key).text("content") if isinstance(value, dict) else data.text(key, usual)
