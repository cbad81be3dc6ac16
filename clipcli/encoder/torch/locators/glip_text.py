"""GLIP's and Grounding DINO's captions: names or a sentence, cut into what BERT reads at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Generic, TypeVar

from clipcli.encoder.locator import Question
from clipcli.errors import MissingExtraError, ModelError, UsageError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Embedded = TypeVar("Embedded")
MOST_TOKENS = 256
SEPARATOR = ". "
# The published figures have COCO's 80 names in one caption, and LVIS's 1,203 in chunks of 40.
MOST_NAMES, CHUNK = 80, 40
SHOWN = 60  # characters of a label, in an error


@dataclass(frozen=True, slots=True)
class CaptionRules:
    """How a model likes its captions."""

    reader: str  # the model, for errors
    most_tokens: int = MOST_TOKENS
    ending: str = ""  # what has to close a caption
    stops: str = ""  # characters that cut a caption, and so may not stand within a name
    lowers: bool = False  # whether names are written small before the tokenizer sees them


GLIP_RULES = CaptionRules("GLIP")


@dataclass(frozen=True, slots=True)
class Caption:
    """One text for BERT, and which of its tokens make up which of the question's phrases."""

    ids: tuple[int, ...]
    phrases: tuple[int, ...]
    tokens: tuple[tuple[int, ...], ...]  # a phrase


class WordPiece:
    """BERT's tokenizer, from the model's folder."""

    def __init__(self, path: Path, vocab_size: int, rules: CaptionRules = GLIP_RULES) -> None:
        self._tokenizer, self._rules = _read(path, rules.reader), rules
        n = self._tokenizer.get_vocab_size()
        if n != vocab_size:
            raise ModelError(f"{path}: has {n:,} tokens, the text tower {vocab_size:,}")

    def captions(self, question: Question) -> list[Caption]:
        """Return what BERT reads for a question: one caption, or several for many names.

        Raises
        ------
        UsageError
            If a name or the sentence is longer than the model reads.
        """
        if question.sentence:
            return [self._of_sentence(question)]
        names = [self._name(name) for name in question.phrases]
        most = len(names) if len(names) <= MOST_NAMES else CHUNK
        return self._of_names(names, range(len(names)), most)

    def token_id(self, token: str) -> int | None:
        """Return a token's number, if there is such a token."""
        number: int | None = self._tokenizer.token_to_id(token)
        return number

    def _of_sentence(self, question: Question) -> Caption:
        sentence, rules = question.sentence.rstrip(), self._rules
        ending = "" if sentence.endswith(tuple(rules.stops)) else rules.ending
        encoding = self._tokenizer.encode(sentence + ending)
        if len(encoding.ids) > rules.most_tokens:
            raise UsageError(
                f"the sentence has {len(encoding.ids)} tokens, and {rules.reader} reads "
                f"{rules.most_tokens}",
                hint="cut it into several",
            )
        return self._caption(encoding, question.spans, range(len(question.phrases)))

    def _name(self, name: str) -> str:
        for stop in self._rules.stops:
            name = name.replace(stop, " ")
        return name.lower() if self._rules.lowers else name

    def _of_names(self, names: Sequence[str], indices: range, most: int) -> list[Caption]:
        captions: list[Caption] = []
        for start in range(0, len(indices), most):
            part = indices[start : start + most]
            text, spans = _joined([names[i] for i in part])
            encoding = self._tokenizer.encode(text + self._rules.ending)
            if len(encoding.ids) <= self._rules.most_tokens:
                captions.append(self._caption(encoding, spans, part))
            elif len(part) == 1:
                raise UsageError(
                    f"label {shorten(names[part[0]], SHOWN)!r} has {len(encoding.ids)} tokens, and "
                    f"{self._rules.reader} reads {self._rules.most_tokens}"
                )
            else:
                captions += self._of_names(names, part, (len(part) + 1) // 2)
        return captions

    def _caption(
        self, encoding: Encoding, spans: Sequence[tuple[int, int]], phrases: Sequence[int]
    ) -> Caption:
        tokens = tuple(_tokens_of(encoding, span) for span in spans)
        for phrase, found in zip(phrases, tokens, strict=True):
            if not found:
                raise UsageError(
                    f"phrase {phrase + 1} has no token that {self._rules.reader} knows"
                )
        return Caption(tuple(encoding.ids), tuple(phrases), tokens)


class AskedCaptions(Generic[Embedded]):
    """Captions and what the text tower makes of them; those of the last question are kept."""

    def __init__(self, tokenizer: WordPiece, embed: Callable[[tuple[int, ...]], Embedded]) -> None:
        self._tokenizer, self._embed = tokenizer, embed
        self._question: Question | None = None
        self._captions: list[tuple[Caption, Embedded]] = []

    def check(self, question: Question) -> None:
        """Refuse names or a sentence that are longer than BERT reads.

        Raises
        ------
        UsageError
        """
        self._tokenizer.captions(question)

    def captions(self, question: Question) -> list[tuple[Caption, Embedded]]:
        """Return a question's captions, embedded."""
        if self._question != question:
            captions = self._tokenizer.captions(question)
            self._captions = [(caption, self._embed(caption.ids)) for caption in captions]
            self._question = question
        return self._captions

    def forget(self) -> None:
        """Embed the next question anew, even if it is the last one again."""
        self._question = None


def _joined(names: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    spans: list[tuple[int, int]] = []
    start = 0
    for name in names:
        spans.append((start, start + len(name)))
        start += len(name) + len(SEPARATOR)
    return SEPARATOR.join(names), spans


def _tokens_of(encoding: Encoding, span: tuple[int, int]) -> tuple[int, ...]:
    """Return the tokens that lie within a stretch of characters."""
    begin, end = span
    return tuple(
        i
        for i, (a, b) in enumerate(encoding.offsets)
        if a < end and b > begin and a != b and not encoding.special_tokens_mask[i]
    )


def _read(path: Path, reader: str) -> Tokenizer:
    try:
        from tokenizers import BertWordPieceTokenizer, Tokenizer
    except ImportError as error:
        raise MissingExtraError(
            f"{reader} needs the tokenizers library",
            hint='install it: pip install "clipcli[siglip]"',
        ) from error
    try:
        if path.suffix == ".json":
            tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        else:
            tokenizer = BertWordPieceTokenizer(str(path), lowercase=True)._tokenizer
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{path}: is no WordPiece vocabulary: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
