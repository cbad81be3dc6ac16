"""SigLIP's tokens: cleaning, ends and padding, worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from clipcli.errors import MissingExtraError, ModelError
from clipcli.models.config import SiglipArchitecture, TextTransformer, VisionTransformer
from clipcli.models.tokenizer.siglip import SiglipTokenizer, clean_siglip_text

WORDS = ["<pad>", "</s>", "<unk>", "a", "cat", "the"]
CONTEXT = 6


@pytest.fixture
def tokenizer_path(tmp_path: Path) -> Path:
    """Write a tokenizer of whole words."""
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(WORDS[:3])
    tokenizer.enable_padding(length=12)  # what a file says about padding is not ours
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def architecture(**changes: object) -> SiglipArchitecture:
    text = TextTransformer(CONTEXT, 6, width=8, layers=1, heads=1, mlp_width=8)
    settings: dict[str, object] = {
        "embed_dim": 8,
        "image": VisionTransformer(4, 2, width=8, layers=1, heads=1, mlp_width=8),
        "text": text,
        "activation": "gelu_tanh",
        "text_cleaning": "canonicalize",
        "end_token": "</s>",
        "pad_token": "<pad>",
    }
    return SiglipArchitecture(**(settings | changes))  # type: ignore[arg-type]


def test_fills_the_whole_context(tokenizer_path: Path) -> None:
    tokenizer = SiglipTokenizer(tokenizer_path, architecture())

    tokenized = tokenizer.tokenize("The CAT!")

    assert tokenized.ids == [5, 4, 1, 0, 0, 0]
    assert (tokenized.n_tokens, tokenized.is_cut) == (3, False)


def test_padding_may_be_the_end_token(tokenizer_path: Path) -> None:
    tokenizer = SiglipTokenizer(tokenizer_path, architecture(pad_token="</s>"))

    assert tokenizer.tokenize("a").ids == [3, 1, 1, 1, 1, 1]


def test_overlong_text_keeps_its_end(tokenizer_path: Path) -> None:
    tokenizer = SiglipTokenizer(tokenizer_path, architecture())

    tokenized = tokenizer.tokenize("a " * 10)

    assert tokenized.ids == [3, 3, 3, 3, 3, 1]
    assert (tokenized.n_tokens, tokenized.is_cut) == (11, True)


def test_special_tokens_in_a_text_are_text(tokenizer_path: Path) -> None:
    tokenizer = SiglipTokenizer(tokenizer_path, architecture(text_cleaning="lower"))

    assert tokenizer.tokenize("</s>a").ids[0] == 2  # an unknown word, not the end


# By hand after big_vision's canonicalize_text: lower case, no ASCII punctuation, single spaces.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Photo, of: a CAT!", "a photo of a cat"),
        ("  don't\t(stop)\n ", "dont stop"),
        ("3.5 % [x]", "35 x"),
        ("naïve—Ünïcode…", "naïve—ünïcode…"),
        ("?!", ""),
    ],
)
def test_canonical_text(text: str, expected: str) -> None:
    assert clean_siglip_text(text, "canonicalize") == expected


def test_underscores_are_spaces() -> None:
    assert clean_siglip_text("polar_bear", "canonicalize") == "polar bear"


def test_siglip_2_keeps_punctuation_and_spaces() -> None:
    assert clean_siglip_text("A  Cat, sitting.", "lower") == "a  cat, sitting."


def test_missing_library_names_the_extra(
    tokenizer_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)

    with pytest.raises(MissingExtraError, match="tokenizers library") as caught:
        SiglipTokenizer(tokenizer_path, architecture())

    assert caught.value.hint == 'pip install "clipcli[siglip]"'


def test_tokenizer_of_another_model_is_refused(tokenizer_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no token '<eos>'"):
        SiglipTokenizer(tokenizer_path, architecture(end_token="<eos>"))

    small = TextTransformer(CONTEXT, 4, width=8, layers=1, heads=1, mlp_width=8)
    with pytest.raises(ModelError, match="has 6 tokens, the text tower 4"):
        SiglipTokenizer(tokenizer_path, architecture(text=small))


def test_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")

    with pytest.raises(ModelError, match="not a tokenizer file"):
        SiglipTokenizer(tmp_path / "tokenizer.json", architecture())
