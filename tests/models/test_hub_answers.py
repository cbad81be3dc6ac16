"""A hub that answers without end, drop by drop, or in wrong types."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from clipcli.errors import ModelError
from clipcli.models.hub.download import _BoundedFile
from clipcli.models.hub.listing import read_listing
from clipcli.models.hub.patience import answers_make_sense, within

GOOD: dict[str, Any] = {"sha": "0" * 40, "siblings": [{"rfilename": "a", "size": 1}]}


@pytest.mark.parametrize(
    "answer",
    [
        5,
        [],
        {},
        GOOD | {"sha": 5},
        GOOD | {"sha": "../../x"},
        GOOD | {"siblings": 5},
        GOOD | {"siblings": [5]},
        GOOD | {"siblings": [{"rfilename": 5}]},
        GOOD | {"siblings": [{"rfilename": ""}]},
        GOOD | {"siblings": [{"rfilename": "a\0b"}]},
        GOOD | {"siblings": [{"rfilename": "a", "size": "1"}]},
        GOOD | {"siblings": [{"rfilename": "a", "size": -1}]},
        GOOD | {"siblings": [{"rfilename": "a", "size": 1, "lfs": {"sha256": "../../x"}}]},
        GOOD | {"siblings": [{"rfilename": "a", "size": 1, "lfs": {"sha256": ["0" * 64]}}]},
    ],
)
def test_an_answer_of_wrong_types_is_no_hubs(answer: Any) -> None:
    with pytest.raises(ModelError, match="the answer is not a hub's"):
        read_listing("a/b", None, answer)


def test_a_licence_of_a_wrong_type_is_none() -> None:
    assert read_listing("a/b", None, GOOD | {"cardData": {"license": ["mit"]}}).licence == ""


def test_what_does_not_end_is_given_up() -> None:
    with pytest.raises(ModelError, match="did not finish its answer within 0 s"):
        within(0.05, "a/b", lambda: time.sleep(5))


def test_a_failure_within_comes_out() -> None:
    with pytest.raises(ModelError, match="not a hub"), answers_make_sense():
        within(5, "a/b", lambda: int("x"))


def test_a_download_takes_no_more_than_was_announced() -> None:
    out = io.BytesIO()
    bounded = _BoundedFile(out, 5)
    bounded.write(b"12345")

    with pytest.raises(ModelError, match="more than it announced"):
        bounded.write(b"6")

    assert out.getvalue() == b"12345"
