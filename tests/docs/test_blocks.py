"""Every command that README.md and docs/ show runs, and prints what is shown there."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.docs.blocks import ROOT, can_run, pages, printed_by, runs_of, with_printed
from tests.docs.comparing import are_alike

PAGES = {
    str(page.relative_to(ROOT)): runs
    for page in pages()
    if (runs := runs_of(page.read_text(encoding="utf-8")))
}
Printed: TypeAlias = "dict[str, Future[list[list[str]]]]"


@pytest.fixture(scope="module")
def printed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Printed]:
    """Start the pages that are asked for, two at a time, over one cache."""
    cache = tmp_path_factory.mktemp("docs") / "cache"
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    names = {spec.params.get("page") for spec in specs if spec is not None}
    with ThreadPoolExecutor(2) as pool:
        yield {p: pool.submit(printed_by, PAGES[p], cache) for p in PAGES if p in names}


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_it_shows(page: str, printed: Printed) -> None:
    differences = []

    for run, lines in zip(PAGES[page], printed[page].result(), strict=True):
        if can_run(run) and not are_alike(run.shown, lines):
            diff = difflib.unified_diff(run.shown, lines, "shown", "printed", lineterm="", n=1)
            differences.append("\n".join([f"$ {run.command}", *diff]))

    assert not differences, "\n\n".join([f"{page} (renew it by: make docs)", *differences])


def test_the_readme_shows_runs() -> None:
    assert len(PAGES["README.md"]) >= 3


def test_a_block_is_read_with_its_setup_and_written_back(tmp_path: Path) -> None:
    text = (
        "# Page\n\n<!-- setup\nword=hello\n-->\n```console\n$ echo $word \\\n    you\nold\n"
        "$ false\n$ echo $?\n0\n```\n\nEnd.\n"
    )

    runs = runs_of(text)
    lines = printed_by(runs, tmp_path / "cache")

    assert [run.command for run in runs] == ["echo $word \\\n    you", "false", "echo $?"]
    assert lines == [["hello you"], [], ["1"]]
    expected = text.replace("old\n", "hello you\n").replace("$?\n0", "$?\n1")
    assert with_printed(text, lines) == expected


def test_an_error_that_the_page_does_not_show_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit code 3: sh -c 'exit 3'"):
        printed_by(runs_of("```console\n$ sh -c 'exit 3'\n$ echo next\n```\n"), tmp_path / "cache")


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("cat.jpg\tcat\t0.51", "cat.jpg\tcat\t0.555512", True),
        ("cat.jpg\tcat\t0.51", "cat.jpg\tcat\t0.57", False),
        ("cat.jpg\tcat\t0.51", "cat.jpg\tdog\t0.51", False),
        ("  cat  51.9 %  ████▌", "  cat  55.6 %  █████", True),
        ("  cat  51.9 %  ████▌", "  cat  57.6 %  █████", False),
        (" >99.9 %  cat", " 99.8 %  cat", True),
        ("3 pictures", "4 pictures", False),
        ("version 1.2.3", "version 1.2.4", False),
    ],
)
def test_lines_are_alike_within_what_processors_differ(
    shown: str, printed: str, expected: bool
) -> None:
    assert are_alike([shown], [printed]) is expected
