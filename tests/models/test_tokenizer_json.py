"""CLIP's vocabulary from a ``tokenizer.json``, in the forms that it has had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import ModelError
from clipcli.models.tokenizer.vocabulary import Vocabulary, read_vocabulary

VOCABULARY = Vocabulary.from_merges([("c", "a"), ("ca", "t</w>")])
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        model: dict[str, Any] = {
            "type": "BPE",
            "end_of_word_suffix": "</w>",
            "vocab": dict(VOCABULARY.ids),
            "merges": [list(merge) for merge in VOCABULARY.merges],
        }
        added = [{"id": VOCABULARY.ids[token], "content": token} for token in SPECIAL]
        told = {"added_tokens": added, "model": model | changes}
        (tmp_path / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
        return tmp_path / "tokenizer.json"

    return write


def test_merges_as_pairs(write: Callable[..., Path]) -> None:
    assert read_vocabulary(write()) == VOCABULARY


def test_merges_as_strings(write: Callable[..., Path]) -> None:
    assert read_vocabulary(write(merges=["c a", "ca t</w>"])) == VOCABULARY


def test_special_tokens_may_stand_apart(write: Callable[..., Path]) -> None:
    vocab = {token: i for token, i in VOCABULARY.ids.items() if token not in SPECIAL}

    assert read_vocabulary(write(vocab=vocab)) == VOCABULARY


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"merges": None}, "it has no merges"),
        ({"end_of_word_suffix": None}, "words do not end in </w>"),
        ({"merges": ["c a", "x yz"]}, "tokenizer.json:2: 'yz' is not made"),
        ({"vocab": None}, "has no id"),
        ({"vocab": {"a": 0}}, "has no id"),
    ],
)
def test_other_tokenizers_are_refused(
    changes: dict[str, Any], pattern: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(ModelError, match=pattern):
        read_vocabulary(write(**changes))


def test_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("[]", encoding="utf-8")

    with pytest.raises(ModelError, match="it has no merges"):
        read_vocabulary(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("added", [0.5, 5, "a", {"a": 1}, [7], [{"id": 1}]])
def test_added_tokens_of_a_wrong_type_are_refused(added: Any, write: Callable[..., Path]) -> None:
    path = write()
    content = json.loads(path.read_text(encoding="utf-8")) | {"added_tokens": added}
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ModelError, match="added_tokens: expected objects"):
        read_vocabulary(path)
