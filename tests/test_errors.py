"""Errors: one line each, whatever the names in them hold."""

from __future__ import annotations

import pytest

from clipcli.errors import ImageError, InputError, in_one_line
from clipcli.output.text import visible

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("error", [InputError, ImageError])
def test_a_name_with_line_ends_leaves_an_error_one_line(error: type[InputError]) -> None:
    raised = error(f"a{LINE_ENDS}b.jpg: no picture", hint="see a\nb")

    assert raised.message.splitlines() == [raised.message]
    assert str(raised) == raised.message
    assert raised.hint == r"see a\x0ab"


def test_line_ends_are_written_as_on_a_terminal() -> None:
    assert in_one_line(LINE_ENDS) == visible(LINE_ENDS)
