"""The cleaning of prompts: cases worked out from the documentation of ftfy and html, and a law."""

from __future__ import annotations

import html

import ftfy
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcli.models.tokenizer.clip import clean_text


def reference_clean(text: str) -> str:
    """OpenAI's cleaning, step by step, with nothing left out for speed."""
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return str(regex.sub(r"\s+", " ", text)).strip().lower()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        # Case.
        ("A Photo OF a CAT", "a photo of a cat"),
        ("ΟΔΟΣ ΣΑΣ", "οδος σας"),  # a capital sigma that ends a word becomes the final one
        ("İstanbul", "i\u0307stanbul"),  # Unicode's SpecialCasing: i and a dot above
        ("STRAßE", "straße"),  # lower-casing, not case folding
        # Mojibake: UTF-8 that was read as Windows-1252 or Latin-1.
        ("âœ” No problems", "✔ no problems"),  # ftfy's own first example
        ("schÃ¶n", "schön"),
        ("l’humanitÃ©", "l'humanité"),
        # HTML entities.
        ("fish &amp; chips", "fish & chips"),
        ("P&EACUTE;REZ &#39;n&#x27;", "pérez 'n'"),
        ("&amp;amp;lt;", "<"),
        # With "<" in the line ftfy takes it for HTML and leaves it, html.unescape comes twice.
        ("<b> &amp;lt;", "<b> <"),
        ("<b> &amp;amp;lt;", "<b> &lt;"),
        ("this&not that", "this¬ that"),  # html.unescape needs no semicolon, as browsers
        # Quotes, ligatures, width, composition.
        ("“it’s” ‘so’", "\"it's\" 'so'"),
        ("ﬂuﬃeﬆ", "fluffiest"),
        ("ＬＯＵＤ　ＮＯＩＳＥＳ", "loud noises"),
        ("Ｕﾀｰﾝ", "uターン"),
        ("cafe\u0301", "café"),
        # Characters that do not show.
        ("a\x00b\x08c\x0bd\x1fe\x7ff", "abcdef"),
        ("\ufeffa\ufffcb", "ab"),
        ("\x1b[36;44mblue\x1b[0m", "blue"),
        ("c\x85d", "c…d"),  # a C1 control is read as Windows-1252
        ("\ud83d\udca9 \udca9\ud83d", "💩 \ufffd\ufffd"),  # halves of UTF-16
        ("zero\u200bwidth", "zero\u200bwidth"),  # not a space to anyone
        # Spaces and lines.
        ("  a \t b\r\nc\rd\x0ce\n", "a b c d e"),
        ("a\u2028b\u2029c", "a b c"),
        ("a\xa0b\u2003c\u3000d", "a b c d"),
    ],
)
def test_cleans(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


TRICKY = st.sampled_from(
    [
        *("&amp;", "&lt;", "&amp;lt;", "&#65;", "&#27;[0m", "&not", "&", ";", "<", "\\x41"),
        *("\x00", "\x0b", "\x0c", "\x1b[1m", "\x1c", "\x7f", "\r\n", "\n", "\t", "  "),
        *("'S", "don't", "Cat", "?!", "7"),
    ]
)


def test_cleaning_ascii_equals_the_slow_way_on_all_pairs() -> None:
    ascii_characters = [chr(i) for i in range(128)]

    differing = [
        text
        for a in ascii_characters
        for b in ascii_characters
        if clean_text(text := f"x{a}{b}") != reference_clean(text)
    ]

    assert differing == []


@settings(deadline=None)
@given(st.lists(TRICKY | st.text(st.characters(max_codepoint=127), max_size=6), max_size=8))
def test_cleaning_ascii_equals_the_slow_way(parts: list[str]) -> None:
    text = "".join(parts)

    assert clean_text(text) == reference_clean(text)
