"""Links and anchors in README.md and docs/ lead somewhere, and README.md names every command."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from clipcli.cli.app import app
from tests.docs.blocks import ROOT, pages

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES = [str(p.relative_to(ROOT)) for p in (*pages(), *(ROOT / ".github").glob("*.md"))]
MOST_BYTES_OF_README = 6_000


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield path and anchor of each link that stays in the repository; either may be empty."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    dead = []

    for path, anchor in links(page):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(f"{path}#{anchor}" if anchor else path)

    assert not dead


def test_a_dead_anchor_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` C, d\n\n```sh\n# no heading\n```\n[x](#there)", encoding="utf-8")

    assert anchors(page) == {"a-b-c-d"}
    assert list(links(page)) == [("", "there")]


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / path).resolve() for path, _ in links(index) if path}

    assert set((ROOT / "docs").glob("*.md")) <= listed | {index}


def test_every_page_begins_with_what_it_is_for() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        heading, paragraph, *_ = page.read_text(encoding="utf-8").split("\n\n")
        assert heading.startswith("# "), page.name
        assert len(paragraph) > 60, page.name
        assert not paragraph.startswith(("#", "|", "```", "<", "*", "-")), page.name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MOST_BYTES_OF_README


def test_the_readme_names_every_command() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Commands")[1]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]

    assert [name for name in commands if f"`{name}`" not in table.replace(", ", "`, `")] == []


def test_the_source_archive_carries_the_documentation() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "/docs" in settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert settings["project"]["readme"] == "README.md"


def test_the_architecture_page_names_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "clipcli"
    named = set(re.findall(r"`(\w+/[\w/.]*)`", text))
    below = {f"{path.name}/" for path in package.rglob("*") if path.is_dir()}
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}

    assert [n for n in named - below if not ((ROOT / n).exists() or (package / n).exists())] == []
    assert [room for room in rooms if f"| `{room}/` |" not in text] == []
