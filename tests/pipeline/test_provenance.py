"""What a result file says of the packages that made it."""

from __future__ import annotations

from importlib import metadata

from clipcli.pipeline.provenance import PACKAGES, versions


def test_versions_are_those_that_the_packages_say() -> None:
    found = versions()

    assert {name: found[name] for name in PACKAGES} == {
        name: metadata.version(name) for name in PACKAGES
    }
