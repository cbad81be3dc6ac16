"""Journals that somebody changed: what is wrong in one is passed over before anything is moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipcli.errors import InputError
from clipcli.workflows.journal.journal import journals, open_journal
from clipcli.workflows.journal.undo import undo
from tests.workflows.sorting.conftest import Sort
from tests.workflows.sorting.trees import make_plan, make_tree, names

TAMPERED: dict[str, Any] = {
    "mtime_ns": [2**63, -(2**70), 1e30, "1", None, True],
    "size": [-1, 1.5, [], 10**39],
    "inode": [{}, -5],
    "sha256": ["", "z" * 64, 5],
    "to": ["../x", "/etc/passwd", "", 5, "a\0b"],
    "from": ["../x", "/etc/passwd", "", None],
    "do": ["rm", 5],
    "step": [-1, "1"],
}


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    for record in lines:
        change(record)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")


@pytest.mark.parametrize("key", TAMPERED)
def test_a_tampered_step_moves_nothing(key: str, tree: Path, tmp_path: Path, sort: Sort) -> None:
    make_tree(tree, 3)
    sort(make_plan(tree, tmp_path / "sorted"), "move")
    journal = journals()[-1]
    content = journal.read_bytes()
    for value in TAMPERED[key]:
        journal.write_bytes(content)
        rewrite(
            journal,
            lambda record, value=value: (
                record.update({key: value}) if record.get("do") == "move" else None
            ),
        )
        before = names(tmp_path / "sorted")

        with open_journal(journal) as opened:
            log = opened.read()
            list(undo(log, opened))

        if (key, value) != ("size", 10**39) and (key, value) != ("inode", -5):
            assert log.problems, (key, value)
        assert names(tmp_path / "sorted") == before, (key, value)
        assert names(tree) == [], (key, value)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[" * 100_000,
        b"{}",
        b"5",
        b'{"journal":"clipcli sort","version":1}',
        (
            b'{"journal":"clipcli sort","version":1,"source":"a","into":"/b","action":"move",'
            b'"started":"","folders":{}}'
        ),
        (
            b'{"journal":"clipcli sort","version":1,"source":"/a/../b","into":"/b","action":"move",'
            b'"started":"","folders":{}}'
        ),
        (
            b'{"journal":"clipcli sort","version":1,"source":"/a","into":"/b","action":"move",'
            b'"started":"","folders":{"../x":1}}'
        ),
        (
            b'{"journal":"clipcli sort","version":1,"source":"/a","into":"/b","action":"move",'
            b'"started":"","folders":{"x":1e999}}'
        ),
    ],
)
def test_what_is_no_journal_is_called_so(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n")

    with open_journal(path) as opened, pytest.raises(InputError, match="is not a journal"):
        opened.read()
