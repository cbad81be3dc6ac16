"""Rows that come with the bundled model: whole, its own, and what its text tower says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipcli.cache.text_cache import TextCache
from clipcli.encoder.encoder import ModelEncoder, load_encoder
from clipcli.labels.label_set import builtin_label_sets, load_label_set
from clipcli.labels.templates import choose_templates
from clipcli.pipeline.label_rows import encode_labels, encode_missing, keyed_prompts
from clipcli.pipeline.shipped_rows import FILE_NAME, ShippedRows, shipped_rows, write_rows

RENEW = "renew them: python -m clipcli.pipeline.ship_rows"


@pytest.fixture(scope="module")
def mini() -> ModelEncoder:
    return load_encoder("mini")


@pytest.fixture(scope="module")
def shipped(mini: ModelEncoder) -> ShippedRows:
    rows = shipped_rows(mini.config)
    assert rows is not None, RENEW
    return rows


def prompts_of(name: str, mini: ModelEncoder) -> dict[str, tuple[str, ...]]:
    label_set = load_label_set(name)
    templates = choose_templates(None, label_set.templates, mini.config.templates)
    return keyed_prompts(label_set, templates, mini)


@pytest.mark.parametrize("name", builtin_label_sets())
def test_every_built_in_label_has_the_row_that_the_text_tower_gives(
    name: str, mini: ModelEncoder, shipped: ShippedRows
) -> None:
    prompts = prompts_of(name, mini)
    some = dict(list(prompts.items())[:: max(1, len(prompts) // 2)])

    assert [key for key in prompts if shipped.get(key) is None] == [], RENEW
    for key, row in encode_missing(some, mini):
        np.testing.assert_allclose(shipped.get(key).row, row.row, atol=1e-5, err_msg=RENEW)


def test_a_built_in_set_encodes_nothing_and_writes_no_cache(
    mini: ModelEncoder, tmp_path: Path
) -> None:
    animals = load_label_set("animals")
    templates = choose_templates(None, animals.templates, mini.config.templates)

    rows = encode_labels(animals, templates, mini, TextCache(tmp_path / "cache"))
    others = encode_labels(animals, ("a {}",), mini, TextCache(None))

    assert rows.n_encoded == 0
    assert not list((tmp_path / "cache").rglob("*/*/*"))
    assert others.n_encoded == len(animals.labels) + len(animals.reject)


def test_other_weights_have_no_shipped_rows(mini: ModelEncoder, tmp_path: Path) -> None:
    other = replace(mini.config, fingerprint="0" * 64)
    path = tmp_path / FILE_NAME
    write_rows(path, mini.config, {})

    assert shipped_rows(other) is None
    assert shipped_rows(mini.config, tmp_path / "missing") is None
    assert shipped_rows(mini.config, path).get("0" * 64) is None
    path.write_bytes(path.read_bytes() + b"more")
    assert shipped_rows(mini.config, path) is None
