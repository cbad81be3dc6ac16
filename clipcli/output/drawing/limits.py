"""How many pictures a PNG holds, and how more are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipcli.errors import UsageError

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest

MOST_DRAWN = 50  # pictures of a PNG: beyond that nobody could open it


def check_drawable(request: OutputRequest, *, is_handful: bool, is_counted: bool) -> None:
    """Refuse a PNG of more than :data:`MOST_DRAWN` inputs before any is looked at.

    ``is_handful`` says that there are no more, where they could be counted.

    Raises
    ------
    UsageError
    """
    if request.wants("png") and is_counted and not is_handful:
        raise _too_many()


def check_room(drawn: list[Any]) -> None:
    """Refuse one more picture than a PNG holds; those that were ``drawn`` are let go.

    Raises
    ------
    UsageError
    """
    if len(drawn) >= MOST_DRAWN:
        drawn.clear()
        raise _too_many()


def _too_many() -> UsageError:
    return UsageError(
        f"a PNG holds {MOST_DRAWN} pictures, and there are more",
        hint="write a page instead, -o FILE.html, or name fewer",
    )
