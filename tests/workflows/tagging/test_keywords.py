"""Keywords in XMP: what is written, and that all else stays, byte for byte."""

from __future__ import annotations

import codecs
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcli.workflows.tagging.keywords import (
    EMPTY,
    HIERARCHY,
    SUBJECT,
    TAGS,
    Keyword,
    keywords_of,
    with_keywords,
    without_ours,
)
from clipcli.workflows.tagging.packet import MAX_DEPTH, UnreadablePacketError, read_packet
from tests.workflows.tagging.samples import DARKTABLE, DIGIKAM, LIGHTROOM, ONE_LINE, WRITTEN

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
CAT = [Keyword("cat", "animal")]
HEAD = f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:dc="http://purl.org/dc/elements/1.1/">'


def is_all_there(before: bytes, after: bytes) -> bool:
    """Tell whether a text can be made of another by leaving out some of its characters."""
    rest = iter(after)
    # The slash of "<a/>" goes where something comes in: "<a>…</a>".
    return all(byte in rest for byte in before.replace(b"/>", b">"))


def listed(packet: bytes, namespace: str, local: str) -> list[str | None]:
    """Read a list as any other reader of XML would."""
    found = ET.fromstring(packet).iter(f"{{{namespace}}}{local}")
    return [item.text for element in found for item in element.iter(f"{{{RDF}}}li")]


def test_a_new_packet_has_the_label_and_its_group_in_three_forms() -> None:
    packet = with_keywords(EMPTY, [*CAT, Keyword("tree")])

    dc, lr = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/lightroom/1.0/"
    assert listed(packet, dc, "subject") == ["animal", "cat", "tree"]
    assert listed(packet, lr, "hierarchicalSubject") == ["animal|cat", "tree"]
    assert listed(packet, "http://www.digikam.org/ns/1.0/", "TagsList") == ["animal/cat", "tree"]
    assert b"<digiKam:TagsList>\n    <rdf:Seq>\n     <rdf:li>animal/cat</rdf:li>" in packet


@pytest.mark.parametrize("name", WRITTEN)
def test_what_others_wrote_stays_in_every_byte(name: str) -> None:
    before = WRITTEN[name].encode()

    after = with_keywords(before, CAT)

    assert is_all_there(before, after)
    assert with_keywords(after, CAT) == after
    assert without_ours(after) == before


def test_lists_that_are_there_are_added_to() -> None:
    found = keywords_of(with_keywords(LIGHTROOM.encode(), CAT))

    assert found[SUBJECT] == ["holiday", "Berlin & Potsdam", "animal", "cat"]
    assert found[HIERARCHY] == ["places|Germany|Berlin & Potsdam", "holiday", "animal|cat"]
    assert found[TAGS] == ["animal/cat"]


def test_added_lines_stand_as_deep_as_their_neighbours() -> None:
    before = LIGHTROOM.replace("\n", "\r\n").encode()

    lines = with_keywords(before, CAT).split(b"\r\n")

    at = lines.index(b"     <rdf:li>Berlin &amp; Potsdam</rdf:li>")
    assert lines[at + 1 : at + 3] == [
        b"     <rdf:li>animal</rdf:li>",
        b"     <rdf:li>cat</rdf:li>",
    ]
    assert b'   <digiKam:TagsList xmlns:digiKam="http://www.digikam.org/ns/1.0/">' in lines


def test_a_keyword_that_the_user_has_is_not_doubled_and_not_taken_away() -> None:
    before = DIGIKAM.encode()

    after = with_keywords(before, [Keyword("cat")])
    found = keywords_of(after)

    assert found[SUBJECT] == ["Ada", "Cat"]  # in other case, it is the same word
    assert found[TAGS] == ["People/Ada", "Cat"]
    assert found[HIERARCHY] == ["cat"]
    assert without_ours(after) == before


def test_only_what_clipcli_wrote_is_removed() -> None:
    after = with_keywords(LIGHTROOM.encode(), [Keyword("holiday"), *CAT])
    edited = after.replace(b"<rdf:li>animal</rdf:li>", b"<rdf:li>beast</rdf:li>", 1)

    found = keywords_of(without_ours(edited))

    assert found[SUBJECT] == ["holiday", "Berlin & Potsdam", "beast"]
    assert found[HIERARCHY] == ["places|Germany|Berlin & Potsdam", "holiday"]
    assert found[TAGS] == []


def test_nothing_of_ours_means_nothing_to_do() -> None:
    for text in WRITTEN.values():
        assert without_ours(text.encode()) == text.encode()


def test_marks_of_levels_within_a_name_do_not_make_levels() -> None:
    found = keywords_of(with_keywords(EMPTY, [Keyword("a|b/c", "x/y")]))

    assert found[SUBJECT] == ["x/y", "a|b/c"]
    assert found[HIERARCHY] == ["x/y|a_b/c"]
    assert found[TAGS] == ["x_y/a|b_c"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("<dc:subject/>", ["cat"]),
        ("<dc:subject></dc:subject>", ["cat"]),
        ("<dc:subject><rdf:Bag/></dc:subject>", ["cat"]),
        ("<dc:subject>\n<rdf:Bag>\n</rdf:Bag>\n</dc:subject>", ["cat"]),
        ("<dc:subject>dog</dc:subject>", ["dog", "cat"]),
        ("<dc:subject><rdf:Seq><rdf:li>dog</rdf:li></rdf:Seq></dc:subject>", ["dog", "cat"]),
    ],
)
def test_lists_in_odd_forms_become_lists(given: str, expected: list[str]) -> None:
    packet = f'{HEAD}<rdf:Description rdf:about="">{given}</rdf:Description></rdf:RDF>'.encode()

    after = with_keywords(packet, [Keyword("cat")])

    assert keywords_of(after)[SUBJECT] == expected
    assert listed(after, "http://purl.org/dc/elements/1.1/", "subject") == expected


def test_a_list_that_was_an_attribute_becomes_an_element() -> None:
    packet = (
        f"{HEAD}<rdf:Description\n  dc:subject = 'a &amp; b' dc:format=\"x\"/></rdf:RDF>".encode()
    )

    after = with_keywords(packet, [Keyword("cat")])

    assert keywords_of(after)[SUBJECT] == ["a & b", "cat"]
    assert b'<rdf:Description dc:format="x">' in after


def test_other_prefixes_are_used_as_they_are() -> None:
    packet = (
        f'<R:RDF xmlns:R="{RDF}"><R:Description xmlns:d="http://purl.org/dc/elements/1.1/" '
        'xmlns:dc="http://example.org/dc/" dc:x="1"/></R:RDF>'
    ).encode()

    after = with_keywords(packet, [Keyword("cat")])

    assert b"<d:subject><R:Bag><R:li>cat</R:li></R:Bag></d:subject>" in after
    assert b'xmlns:dc="http://example.org/dc/" dc:x="1"' in after


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "is not well-formed: no element found, line 1"),
        (LIGHTROOM.encode()[:-20], "is not well-formed: unclosed token, line 33"),
        (b"<a>\n<b></a>", "is not well-formed: mismatched tag, line 2"),
        (b"<x:a/>", "is not well-formed: prefix 'x' is not declared, line 1"),
        (b"<a>&e;</a>", "is not well-formed: undefined entity, line 1"),
        (b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "declares a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares a document type"),
        (b"<a/>", "is XML, but not XMP"),
        (f'<rdf:RDF xmlns:rdf="{RDF}"/>'.encode(), "without an rdf:Description"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "is in utf-7, which is not written"),
        (b"<a>\xff</a>", "is not the UTF-8 that it says"),
        (b"<a>" * (MAX_DEPTH + 1), "nested deeper"),
        (
            f"{HEAD}<rdf:Description><dc:subject rdf:parseType='Resource'><a/></dc:subject>"
            "</rdf:Description></rdf:RDF>".encode(),
            "has dc:subject in a form that is not read",
        ),
    ],
)
def test_what_cannot_be_kept_is_not_touched(packet: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePacketError, match=reason.replace("(", r"\(")):
        with_keywords(packet, CAT)


def test_a_bomb_of_entities_is_refused_before_it_grows() -> None:
    levels = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(20))
    bomb = f'<!DOCTYPE a [<!ENTITY a0 "ha">{levels}]><a>&a20;</a>'.encode()

    with pytest.raises(UnreadablePacketError, match="declares a document type"):
        read_packet(bomb)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_encodings_come_back_as_they_were(mark: bytes, encoding: str) -> None:
    before = mark + ONE_LINE.encode(encoding)

    after = with_keywords(before, [Keyword("Küche")])

    assert after.startswith(mark)
    assert "<rdf:li>Küche</rdf:li>" in after[len(mark) :].decode(encoding)
    assert without_ours(after)[len(mark) :].decode(encoding) == ONE_LINE


def test_latin_1_takes_what_it_lacks_as_a_number() -> None:
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    before = (head + ONE_LINE).encode("iso8859-1")

    after = with_keywords(before, [Keyword("Küche"), Keyword("猫")])

    assert "<rdf:li>Küche</rdf:li><rdf:li>&#29483;</rdf:li>".encode("iso8859-1") in after
    assert keywords_of(after)[SUBJECT] == ["door", "Küche", "猫"]


WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs")), min_size=1, max_size=9)
KEYWORDS = st.lists(st.builds(Keyword, WORDS, st.none() | WORDS), max_size=4)


@settings(max_examples=40)
@given(st.sampled_from(sorted(WRITTEN)), KEYWORDS)
def test_whatever_is_written_can_be_read_and_taken_back(name: str, keywords: list[Keyword]) -> None:
    before = WRITTEN[name].encode()

    after = with_keywords(before, keywords)
    found = keywords_of(after)

    spoken = {text.casefold() for text in found[SUBJECT]}
    assert {each.label.casefold() for each in keywords} <= spoken
    assert set(keywords_of(before)[SUBJECT]) <= set(found[SUBJECT])
    assert keywords_of(without_ours(after)) == keywords_of(before)
    assert is_all_there(before, after)


def test_comments_and_histories_are_where_they_were() -> None:
    after = with_keywords(DARKTABLE.encode(), CAT).decode()

    head, tail = DARKTABLE.split("  </rdf:Description>")
    assert after.startswith(head.rstrip())
    assert after.endswith(tail)
