"""Making room: what was used longest ago goes first, in chunks of 64."""

from __future__ import annotations

import sqlite3

from clipcli.cache.schema import CHUNK_BITS, CONTENT_BITS, SETTING_BITS, checked_number

KEPT_SHARE = 0.9  # of the limit: making room for each new vector anew would be slow
CHUNKS_AT_ONCE = 64
FILES_A_CONTENT = 4  # more short cuts than that were left behind by files that are gone


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how much of the file is in use."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def evict(connection: sqlite3.Connection, limit_bytes: int) -> int:
    """Delete the chunks used longest ago while there is too much; return how many entries.

    Belongs into a transaction.
    """
    if used_bytes(connection) <= limit_bytes:
        return 0
    n_gone = 0
    while used_bytes(connection) > KEPT_SHARE * limit_bytes:
        oldest = connection.execute(
            "SELECT content, setting FROM chunk ORDER BY used, setting, content LIMIT ?",
            (CHUNKS_AT_ONCE,),
        ).fetchall()
        if not oldest:
            break
        for content, setting in oldest:
            n_gone += delete_chunk(connection, content, setting)
            if used_bytes(connection) <= KEPT_SHARE * limit_bytes:
                break
    forget_files(connection)
    return n_gone


def delete_chunk(connection: sqlite3.Connection, content: int, setting: int) -> int:
    """Delete a chunk of a setting; its contents too where no other setting has them."""
    content = checked_number(content, CONTENT_BITS - CHUNK_BITS)
    setting = checked_number(setting, SETTING_BITS)
    start = (setting << CONTENT_BITS) + (content << CHUNK_BITS)
    n_gone = connection.execute(
        "DELETE FROM entry WHERE id BETWEEN ? AND ?", (start, start + (1 << CHUNK_BITS) - 1)
    ).rowcount
    connection.execute("DELETE FROM chunk WHERE content = ? AND setting = ?", (content, setting))
    first = content << CHUNK_BITS
    connection.execute(
        "DELETE FROM content WHERE id BETWEEN ? AND ? "
        "AND NOT EXISTS (SELECT 1 FROM chunk WHERE content = ?)",
        (first, first + (1 << CHUNK_BITS) - 1, content),
    )
    return n_gone


def forget_files(connection: sqlite3.Connection) -> None:
    """Delete short cuts that lead nowhere, and all of them where most must have died."""
    connection.execute("DELETE FROM file WHERE content NOT IN (SELECT id FROM content)")
    n_files, n_contents = connection.execute(
        "SELECT (SELECT count(*) FROM file), (SELECT count(*) FROM content)"
    ).fetchone()
    if n_files > FILES_A_CONTENT * n_contents:
        connection.execute("DELETE FROM file")
