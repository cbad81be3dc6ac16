"""``clipcli cache``, ``--no-cache``, and warm runs of the command line."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from clipcli.cli.app import run
from tests.conftest import ROOT, Finished
from tests.fakes import FakeEncoder

LABELS = ["--labels", "red, green, blue"]
Cli: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], fake_model: FakeEncoder) -> Cli:
    """Return a function that runs a command in this process: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


def entries(cli: Cli) -> tuple[int, int]:
    """Return how many pictures and labels are cached."""
    told = json.loads(cli("cache", "info", "--json")[1])
    return told["pictures"]["entries"], told["labels"]["entries"]


def test_path_is_where_it_is(cli: Cli, cache_folder: Path) -> None:
    assert cli("cache", "path") == (0, f"{cache_folder}\n", "")


def test_info_of_a_cache_that_is_not_there(cli: Cli, cache_folder: Path) -> None:
    code, out, err = cli("cache", "info")

    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["pictures\t0\t0 B of 2 GB", "labels\t0\t0 B"]
    assert not cache_folder.exists()


def test_info_tells_pictures_by_model(cli: Cli, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes((pictures / "red.png").read_bytes()[:50])
    cli("classify", pictures, *LABELS)

    _, out, _ = cli("cache", "info")
    told = json.loads(cli("cache", "info", "--json")[1])

    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[:2] for line in lines[1:]] == [
        ["pictures", "4"],
        ["  skipped files", "1"],
        ["  fake ffffffffffff fp32", "3"],
        ["labels", "3"],
    ]
    assert set(told) == {"folder", "pictures", "labels", "exports"}
    assert told["exports"] == {"entries": 0, "bytes": 0}
    assert set(told["pictures"]) == {"entries", "bytes", "limit_bytes", "held"}
    assert [held["model"] for held in told["pictures"]["held"]] == [None, "fake"]
    assert told["pictures"]["limit_bytes"] == 2 * 10**9


def test_clear_leaves_what_is_not_ours(cli: Cli, pictures: Path, cache_folder: Path) -> None:
    cli("classify", pictures, *LABELS)
    (cache_folder / "mine.txt").write_text("keep this", encoding="utf-8")
    before = entries(cli)

    code, out, err = cli("cache", "clear", "--yes")

    assert (code, out, err) == (0, "", "clipcli: 6 entries thrown out\n")
    assert (before, entries(cli)) == ((3, 3), (0, 0))
    assert (cache_folder / "mine.txt").exists()


def test_clear_needs_a_yes(cli: Cli, pictures: Path) -> None:
    cli("classify", pictures, *LABELS)

    code, _, err = cli("cache", "clear")

    assert code == 2
    assert "--yes" in err
    assert entries(cli) == (3, 3)


def test_clear_makes_room_for_a_new_store_in_the_place_of_a_damaged_one(
    cli: Cli, pictures: Path, cache_folder: Path
) -> None:
    cli("classify", pictures, *LABELS)
    (store,) = (cache_folder / "images").glob("*.sqlite")
    store.write_bytes(b"no database")

    code, _, err = cli("cache", "info")
    cleared, _, _ = cli("cache", "clear", "--yes")
    cli("classify", pictures, *LABELS)

    assert code == 3
    assert "damaged (file is not a database), `clipcli cache clear`" in err
    assert (cleared, entries(cli)[0]) == (0, 3)


def test_prune_by_size(cli: Cli, pictures: Path) -> None:
    cli("classify", pictures, *LABELS)

    code, _, err = cli("cache", "prune", "--max-size", "0")

    assert (code, err) == (0, "clipcli: 6 entries thrown out\n")
    assert entries(cli) == (0, 0)


def test_prune_by_age(
    cli: Cli, pictures: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = time.time() - 10 * 86400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: then)
        cli("classify", pictures, *LABELS)
    for path in (cache_folder / "text").rglob("*"):
        os.utime(path, (then, then))

    cli("cache", "prune", "--older-than", "11")
    kept = entries(cli)
    cli("cache", "prune", "--older-than", "9")

    assert (kept, entries(cli)) == ((3, 3), (0, 0))


def test_prune_of_models_that_are_gone(cli: Cli, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes((pictures / "red.png").read_bytes()[:50])
    cli("classify", pictures, *LABELS)

    code, _, err = cli("cache", "prune", "--gone-models")

    assert (code, err) == (0, "clipcli: 3 entries thrown out\n")  # the fake is installed nowhere
    assert entries(cli) == (1, 3)  # no model has to do with a reason


def test_prune_without_options_keeps_to_the_limit(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("classify", pictures, *LABELS)

    cli("cache", "prune")
    kept = entries(cli)
    monkeypatch.setenv("CLIPCLI_CACHE_LIMIT", "1kB")
    cli("cache", "prune")

    assert (kept[0], entries(cli)[0]) == (3, 0)


@pytest.mark.parametrize("arguments", [["--max-size", "big"], ["--older-than", "-1"]])
def test_prune_refuses_nonsense(cli: Cli, arguments: list[str]) -> None:
    assert cli("cache", "prune", *arguments)[0] == 2


def test_a_limit_that_is_none_is_a_usage_error(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPCLI_CACHE_LIMIT", "plenty")

    code, _, err = cli("classify", pictures, *LABELS)

    assert code == 2
    assert "CLIPCLI_CACHE_LIMIT: 'plenty' is not a size" in err


@pytest.mark.parametrize("form", ["tsv", "jsonl", "csv"])
def test_cold_warm_and_uncached_runs_print_the_same_bytes(
    cli: Cli, pictures: Path, form: str
) -> None:
    command = ["classify", pictures, *LABELS, "--format", form]
    (pictures / "broken.png").write_bytes((pictures / "red.png").read_bytes()[:50])

    cold, warm, uncached = cli(*command), cli(*command), cli(*command, "--no-cache")

    assert cold == warm == uncached
    assert cold[0] == 5


def test_embed_uses_the_cache_and_no_cache_does_not(
    cli: Cli, pictures: Path, tmp_path: Path, fake_model: FakeEncoder
) -> None:
    files = [tmp_path / f"{i}.npz" for i in range(3)]
    batches = []
    for file, more in zip(files, ([], [], ["--no-cache"]), strict=True):
        fake_model.batches.clear()
        cli("embed", pictures, "-o", file, *more)
        batches.append(sum(fake_model.batches))

    vectors = [np.load(file)["vectors"] for file in files]
    assert batches == [3, 0, 3]
    assert (vectors[0] == vectors[1]).all()
    assert (vectors[0] == vectors[2]).all()


def test_a_warm_run_imports_no_engine_and_says_so(
    clipcli_process: Callable[..., Finished], pictures: Path, tmp_path: Path
) -> None:
    command = ["classify", pictures, "--labels", "cat, dog, teapot", "--verbose", "-o"]
    telling = os.environ | {"PYTHONPROFILEIMPORTTIME": "1", "PYTHONPATH": str(ROOT)}

    cold = clipcli_process(*command, tmp_path / "cold.json", env=telling)
    warm = clipcli_process(*command, tmp_path / "warm.json", env=telling)

    imported = re.compile(r"\| +onnxruntime$", re.MULTILINE)
    assert (cold.returncode, warm.returncode) == (0, 0)
    assert imported.search(cold.stderr)
    assert not imported.search(warm.stderr)
    assert "no model was loaded, all is from the cache" in warm.stderr
    told = [json.loads((tmp_path / f"{name}.json").read_bytes()) for name in ("cold", "warm")]
    assert told[0]["results"] == told[1]["results"]
    assert [one["provenance"]["device"] == "cache" for one in told] == [False, True]
    assert told[0]["provenance"]["precision"] == told[1]["provenance"]["precision"]
