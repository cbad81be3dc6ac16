"""What is searched for, where, and the vectors of both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.errors import InputError, UsageError
from clipcli.files import has_file_look
from clipcli.images.find import ImageFile
from clipcli.images.globs import is_pattern
from clipcli.images.kinds import has_picture_ending
from clipcli.images.lists import STANDARD_INPUT
from clipcli.results import Skipped
from clipcli.workflows.search.ranking import Query
from clipcli.workflows.search.terms import parse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.pipeline.embed import Embedded
    from clipcli.pipeline.inputs import Input
    from clipcli.pipeline.session import Session

EXAMPLE = 'clipcli search photos/ "a red car in snow"'


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is looked for: texts, each for itself, and pictures that are added to each."""

    texts: tuple[str, ...]
    like: tuple[str, ...]
    templates: tuple[str, ...] = ()  # none: texts are taken as they are written

    @property
    def queries(self) -> tuple[Query, ...]:
        """The searches, in order."""
        return tuple(Query(text, self.like) for text in self.texts or (None,))

    def with_templates(self, spec: str | None) -> SearchRequest:
        """Return the same with the templates that an option names."""
        from clipcli.labels.templates import load_templates

        if spec is None:
            return self
        if not self.texts:
            raise UsageError("--templates: there is no text to put into them", hint="add --query")
        return replace(self, templates=load_templates(spec))


def read_request(
    arguments: Sequence[str], texts: Sequence[str], like: Sequence[Path], *, has_list: bool
) -> tuple[tuple[str, ...], SearchRequest]:
    """Tell the places to search from what to look for.

    Raises
    ------
    UsageError, LabelSetError
        Where one may have been taken for the other, or something is missing.
    """
    from clipcli.labels.label import checked_text

    places = tuple(arguments)
    if not texts and not like:
        places, texts = _split_text(places, has_list=has_list)
    _check_places(places, has_options=bool(like) or places == tuple(arguments))
    texts = [checked_text(text, "query", "what to look for") for text in texts]
    for text in texts:
        parse(text)  # what is wrong with it is said before a model is loaded
    for path in like:
        if path.is_dir() or not path.exists():
            fact = "is a folder" if path.is_dir() else "no such picture"
            raise UsageError(f"--like {path}: {fact}", hint="name one picture")
    pictures = tuple(dict.fromkeys(os.fspath(path) for path in like))
    return places, SearchRequest(tuple(dict.fromkeys(texts)), pictures)


def _split_text(
    arguments: tuple[str, ...], *, has_list: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take the last argument for the text, or the first where it alone can be no place."""
    *places, text = arguments or ("",)
    if len(arguments) > 1 and _is_text(arguments[0]) and _is_place(text):
        text, *places = arguments
    if not arguments or text == STANDARD_INPUT or _exists(text) or _looks_like_picture(text):
        fact = f"{text}: is where to search; " if arguments else ""
        raise UsageError(
            f"{fact}what to look for is missing",
            hint=f"put it in quotes: {EXAMPLE}; or use --query TEXT or --like PICTURE",
        )
    if not places and not has_list:
        raise UsageError(
            f"{text!r} is what to look for; where to search is missing",
            hint=f"name pictures or folders: {EXAMPLE}",
        )
    return tuple(places), (text,)


def _check_places(places: Sequence[str], *, has_options: bool) -> None:
    """Refuse words that are no places: a text without quotes, or one beside ``--like``."""
    strays = [place for place in places if not _is_place(place)]
    if not strays:
        return
    hint = "a text goes with --query TEXT" if has_options else f"put the text in quotes: {EXAMPLE}"
    raise UsageError(f"{strays[0]!r}: no such file or folder", hint=hint)


def _is_place(text: str) -> bool:
    """Tell whether an argument is, or was at least meant as, somewhere to search."""
    is_readable_name = text == STANDARD_INPUT or _exists(text) or is_pattern(text)
    return is_readable_name or has_file_look(text, ()) or _looks_like_picture(text)


def _is_text(text: str) -> bool:
    """Tell whether an argument can only be what to look for; a question is no pattern then."""
    is_sentence = " " in text and "/" not in text and "*" not in text
    return not _is_place(text) or (
        is_sentence and not _exists(text) and not has_picture_ending(text)
    )


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(text)
    except ValueError:  # a NUL character
        return False


def _looks_like_picture(text: str) -> bool:
    return " " not in text and has_picture_ending(text)


def rows_of(session: Session, request: SearchRequest) -> NDArray[np.float32]:
    """Return a unit row (q, d) for each query."""
    from clipcli.workflows.search.ranking import query_rows

    pictures = _like_rows(session, request.like) if request.like else None
    return query_rows(_text_rows(session, request) if request.texts else None, pictures)


def _text_rows(session: Session, request: SearchRequest) -> NDArray[np.float32]:
    """Encode the texts (q, d), or take their rows from the cache, as those of labels."""
    from clipcli.labels.label_set import Label, LabelSet
    from clipcli.pipeline.label_rows import encode_labels
    from clipcli.workflows.search.ranking import weighted_rows

    as_written = not request.templates
    sums = [parse(text) for text in request.texts]
    texts = dict.fromkeys(term.text for terms in sums for term in terms)
    labels = tuple(Label(text, prompts=(text,) if as_written else ()) for text in texts)
    cache = session.model.text_cache()
    rows = encode_labels(LabelSet("search", labels), request.templates, session.encoder, cache)
    limit = session.encoder.config.architecture.text.context_length
    for cut in rows.cut:
        session.notes.say(
            f"{cut.prompt!r} has {cut.n_tokens} tokens; the model reads the first {limit}"
        )
    if cache.problem:
        session.notes.say(f"cache: {cache.problem}")
    places = {text: i for i, text in enumerate(texts)}
    return weighted_rows(
        rows.classifier, [[(places[term.text], term.weight) for term in terms] for terms in sums]
    )


def _like_rows(session: Session, paths: Iterable[str]) -> NDArray[np.float32]:
    """Return the vectors (m, d) of the pictures to look for; each of them has to be readable."""
    import numpy as np

    rows = []
    for entry in session.embedded(map(ImageFile, paths)):
        if isinstance(entry, Skipped):
            raise InputError(f"--like {entry.path}: {entry.reason}")
        rows.append(entry.row)
    return np.stack(rows)


def searched(
    session: Session, request: SearchRequest, found: Iterable[Input]
) -> Iterator[Embedded]:
    """Yield the vectors of all pictures but those that are looked for; count and tell the rest."""
    known = {os.path.realpath(path) for path in request.like}
    with session.notes.progress(session.total()) as advance:
        for entry in session.tally(session.embedded(found)):
            advance()
            if isinstance(entry, Skipped):
                continue
            if not known or os.path.realpath(entry.path) not in known:
                yield entry
