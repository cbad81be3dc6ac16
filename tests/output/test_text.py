"""Text of users on its way out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcli.output.text import BIDI_CONTROLS, digits, escape_tsv, visible
from tests.output.test_formats import unescape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("naïve 日本語", "naïve 日本語"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\nc", "a\\x09b\\x0ac"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj\u202eexe", "gpj\\u202eexe"),
        ("a\u2028b", "a\\u2028b"),
        ("latin-\udce9", "latin-\\xe9"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ],
)
def test_controls_become_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(st.characters()))
def test_no_text_keeps_a_control_character(text: str) -> None:
    shown = visible(text)

    assert not [
        character
        for character in shown
        if unicodedata.category(character) in ("Cc", "Cs") or character in BIDI_CONTROLS
    ]


@given(st.text(st.characters()))
def test_tsv_escapes_lose_nothing(text: str) -> None:
    escaped = escape_tsv(text)

    assert not set(escaped) & set("\t\n\r")
    assert unescape(escaped) == text


@pytest.mark.parametrize("value", [0.0, 1.0, 0.123456, 1e-7, 1.23457e-300])
def test_numbers_keep_their_digits(value: float) -> None:
    assert float(digits(value)) == value
