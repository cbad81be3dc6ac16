"""What a release is made of: workflow, container, issue forms, citation."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipcli.version import __version__
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".github").exists(), reason="not in a source archive")
STEPS = {"build", "check", "install", "recipes"}
CONDA_NAMES = {"torch": "pytorch"}  # where they differ from PyPI's


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    """Return what .ci/release.py defines."""
    return runpy.run_path(str(ROOT / ".ci" / "release.py"))


def test_the_workflow_takes_the_steps_that_can_be_taken_anywhere() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    taken = re.findall(r"python \.ci/release\.py ([\w ]+)", text)

    assert {step for steps in taken for step in steps.split()} == STEPS


def test_what_others_offer_is_pinned_by_commit() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)

    assert len(used) == 10
    assert [one for one, _ in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one)] == []
    assert [comment for _, comment in used if not re.fullmatch(r" # v\d+\.\d+\.\d+", comment)] == []


def test_only_the_upload_may_speak_for_the_project() -> None:
    workflow = read(".github/workflows/release.yml")
    jobs = workflow["jobs"]

    assert workflow["permissions"] == {}
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert jobs["publish"]["if"] == "github.event_name == 'push'"
    assert [name for name, job in jobs.items() if "write" in job["permissions"].values()] == [
        "publish",
        "github",
    ]
    assert jobs["publish"]["needs"] == "install"
    assert jobs["github"]["needs"] == "publish"
    assert jobs["install"]["needs"] == "build"
    # It runs nothing of the repository's, which could upload something else.
    assert all("run" not in step for step in jobs["publish"]["steps"])


def test_recipes_are_filled_in_for_the_archive(release: dict[str, Any], tmp_path: Path) -> None:
    archive = tmp_path / "clipcli-1.2.3.tar.gz"
    archive.write_bytes(b"abc")
    (tmp_path / "clipcli-1.2.3-py3-none-any.whl").write_bytes(b"")
    names = release["recipes"].__globals__

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names, "DIST", tmp_path)
        patch.setitem(names, "RECIPES", tmp_path / "recipes")
        release["recipes"]("")

    recipe = yaml.safe_load((tmp_path / "recipes" / "recipe.yaml").read_text(encoding="utf-8"))
    formula = (tmp_path / "recipes" / "clipcli.rb").read_text(encoding="utf-8")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # from FIPS 180-2
    assert recipe["context"]["version"] == "1.2.3"
    assert recipe["source"]["sha256"] == abc
    assert f'sha256 "{abc}"' in formula
    assert "/v1.2.3/clipcli-1.2.3.tar.gz" in formula
    assert "@" not in formula.replace("python@3.13", "")


def test_conda_gets_the_dependencies_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = read(".ci/recipes/recipe.yaml")
    wanted = []
    for dependency in project["dependencies"]:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", dependency).groups()  # type: ignore[union-attr]
        wanted.append(f"{CONDA_NAMES.get(name, name.lower())} {bounds}")

    assert [one for one in recipe["requirements"]["run"] if not one.startswith("python ")] == wanted
    assert project["requires-python"] == f">={recipe['context']['python_min']}"
    assert all((ROOT / path).is_file() for path in recipe["about"]["license_file"])
    assert recipe["build"]["python"]["entry_points"] == [
        "clipcli = " + project["scripts"]["clipcli"]
    ]


@pytest.mark.skipif(shutil.which("ruby") is None, reason="needs ruby")
def test_the_formula_is_ruby() -> None:
    command = ["ruby", "-c", ROOT / ".ci" / "recipes" / "clipcli.rb"]

    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_tag_of_another_version_is_refused(release: dict[str, Any]) -> None:
    release["check_version"]("main")  # no tag: nothing to compare

    with pytest.raises(SystemExit, match=re.escape(f"v99.0, {__version__}")):
        release["check_version"]("v99.0")


def test_issue_forms_ask_for_what_they_need() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("*.yml")}
    del forms["config"]

    for form in forms.values():
        fields = form["body"]
        assert {"name", "description", "body"} <= set(form)
        assert len({field["id"] for field in fields}) == len(fields)
        assert all(field["attributes"]["label"] for field in fields)
    assert "doctor" in [field["id"] for field in forms["bug"]["body"]]


def test_the_citation_has_what_the_format_asks_for() -> None:
    citation = read("CITATION.cff")

    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert all("name" in a or "family-names" in a for a in citation["authors"])


def test_the_container_copies_what_is_there_and_does_not_run_as_root() -> None:
    text = (ROOT / ".ci" / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".ci" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    names = [name for line in copied for name in line if not name.startswith(("-", "/"))]

    assert all((ROOT / name).exists() for name in names)
    assert {f"!{name}" for name in names} == {entry for entry in ignored if entry[0] == "!"}
    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)
