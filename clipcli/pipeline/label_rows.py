"""Turning labels into rows: prompts in, one averaged embedding a label out.

Rows found in the cache cost no model; only the labels that are missing are encoded, all their
prompts in one go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from clipcli.cache.text_cache import CutPrompt, TextCache, TextRow, text_key
from clipcli.encoder.encoder import TEXT_PRECISION
from clipcli.errors import LabelSetError
from clipcli.labels.label_set import LabelSet
from clipcli.labels.templates import prompts_for_label
from clipcli.pipeline.shipped_rows import shipped_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clipcli.encoder.encoder import Encoder

# Prompts encoded at once: bounds the memory of a label set with a million prompts.
PROMPTS_AT_ONCE = 8192
REPORT_EACH_S = 5.0  # how often somebody who waits for very many labels hears of them

Report: TypeAlias = Callable[[int, int], None]


class LabelRows(NamedTuple):
    """The classifier (c + r, d), float32, unit rows: c labels, then r reject prompts."""

    classifier: NDArray[np.float32]
    cut: tuple[CutPrompt, ...]  # prompts that did not fit the context
    n_encoded: int  # rows that were neither shipped nor in the cache


def encode_labels(
    label_set: LabelSet,
    templates: Sequence[str],
    encoder: Encoder,
    cache: TextCache,
    report: Report | None = None,
) -> LabelRows:
    """Return the rows of all labels and reject prompts, shipped or from the cache where they are.

    Where it takes long, ``report`` is called now and then: rows that are done, and all to be done.
    """
    import numpy as np

    keys, prompts = _keys_and_prompts(label_set, templates, encoder)
    rows = _known_rows(keys, encoder, cache)
    missing = {key: texts for key, texts in zip(keys, prompts, strict=True) if key not in rows}
    last_s = time.monotonic()
    for n_done, (key, row) in enumerate(encode_missing(missing, encoder)):
        if report is not None and time.monotonic() - last_s >= REPORT_EACH_S:
            report(n_done, len(missing))
            last_s = time.monotonic()
        rows[key] = row
        cache.put(key, row)
    return LabelRows(
        classifier=np.stack([rows[key].row for key in keys]),  # (c + r, d)
        cut=tuple(dict.fromkeys(cut for key in keys for cut in rows[key].cut)),
        n_encoded=len(missing),
    )


def _known_rows(keys: Sequence[str], encoder: Encoder, cache: TextCache) -> dict[str, TextRow]:
    shipped = shipped_rows(encoder.config)
    rows: dict[str, TextRow] = {}
    for key in keys:
        row = shipped.get(key) if shipped else None
        row = row or cache.get(key)
        if row is not None:
            rows[key] = row
    return rows


def keyed_prompts(
    label_set: LabelSet, templates: Sequence[str], encoder: Encoder
) -> dict[str, tuple[str, ...]]:
    """Return the prompts behind each row, under the key that the row is kept under."""
    keys, prompts = _keys_and_prompts(label_set, templates, encoder)
    return dict(zip(keys, prompts, strict=True))


def _keys_and_prompts(
    label_set: LabelSet, templates: Sequence[str], encoder: Encoder
) -> tuple[list[str], list[tuple[str, ...]]]:
    prompts = _prompts(label_set, templates)
    fingerprint = encoder.config.fingerprint
    return [text_key(fingerprint, TEXT_PRECISION, several) for several in prompts], prompts


def _prompts(label_set: LabelSet, templates: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the prompts behind each row: those of the labels, then one of each reject prompt."""
    prompts = []
    for label in label_set.labels:
        prompts.append(prompts_for_label(label, templates))
        if not prompts[-1]:
            raise LabelSetError(
                f"{label_set.source}: label {label.name!r} has no prompts, "
                "and there are no templates",
                hint="give it prompts, or choose --templates",
            )
    return prompts + [(reject,) for reject in label_set.reject]


def encode_missing(
    missing: dict[str, tuple[str, ...]], encoder: Encoder
) -> Iterator[tuple[str, TextRow]]:
    """Encode the prompts of many labels together, then average each label's own."""
    from clipcli.vectors import ensemble

    for keys in _groups(missing):
        prompts = [prompt for key in keys for prompt in missing[key]]
        rows = encoder.encode_texts(prompts)  # (p, d), all labels' prompts in one block
        start = 0
        for key in keys:
            end = start + len(missing[key])
            yield key, TextRow(ensemble(rows[start:end]), _cut_prompts(missing[key], encoder))
            start = end


def _groups(missing: dict[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Split the keys so that each group has about :data:`PROMPTS_AT_ONCE` prompts."""
    group: list[str] = []
    n_prompts = 0
    for key, prompts in missing.items():
        group.append(key)
        n_prompts += len(prompts)
        if n_prompts >= PROMPTS_AT_ONCE:
            yield group
            group, n_prompts = [], 0
    if group:
        yield group


def _cut_prompts(prompts: Sequence[str], encoder: Encoder) -> tuple[CutPrompt, ...]:
    tokenized = [(prompt, encoder.tokenizer.tokenize(prompt)) for prompt in prompts]
    return tuple(
        CutPrompt(prompt, tokens.n_tokens) for prompt, tokens in tokenized if tokens.is_cut
    )
