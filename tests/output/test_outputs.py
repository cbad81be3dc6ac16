"""Output files appear whole or not at all, and never over somebody's file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from clipcli.errors import ClipcliError, ExitCode, OutputError, OutputExistsError, UsageError
from clipcli.labels.label_set import LabelSet
from clipcli.output import files
from clipcli.output.request import OutputRequest, requested
from clipcli.output.results import FORMATS, Outputs
from clipcli.results import Provenance
from tests.output.conftest import LABELS, classified, read_json_lines, write_all

PETS = LabelSet.from_names(LABELS)
ENDINGS = ("json", "jsonl", "csv", "tsv", "parquet")


def open_outputs(*paths: Path, overwrite: bool = False) -> Outputs:
    return Outputs(requested(None, paths, FORMATS, overwrite=overwrite), PETS, top_k=5, ranked=True)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_has_its_name_before_the_end(provenance: Provenance, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    outputs = open_outputs(path)
    outputs.write(classified("a.jpg"))

    assert not path.exists()
    outputs.finish(provenance)
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.meta.json"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_interrupted_is_whole_and_says_so(
    ending: str, provenance: Provenance, tmp_path: Path
) -> None:
    path = tmp_path / f"out.{ending}"
    outputs = open_outputs(path)
    outputs.write(classified("a.jpg"))

    outputs.end_early(provenance, "interrupted")

    assert path.stat().st_size > 0
    if ending == "json":
        document = json.loads(path.read_bytes())
        assert (len(document["results"]), document["error"]) == (1, "interrupted")
    elif ending == "jsonl":
        assert len(read_json_lines(path)) == 1
        assert json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())["error"] == "interrupted"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_ends_before_its_first_result_leaves_nothing(
    ending: str, provenance: Provenance, tmp_path: Path
) -> None:
    outputs = open_outputs(tmp_path / f"out.{ending}")

    outputs.end_early(provenance, "interrupted")

    assert names_in(tmp_path) == []


def test_several_files_get_the_same_results(provenance: Provenance, tmp_path: Path) -> None:
    outputs = open_outputs(tmp_path / "a.json", tmp_path / "b.jsonl")

    for i in range(3):
        outputs.write(classified(f"{i}.jpg"))
    outputs.finish(provenance)

    in_json = json.loads((tmp_path / "a.json").read_bytes())["results"]
    assert in_json == read_json_lines(tmp_path / "b.jsonl")


def test_an_existing_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("mine", encoding="utf-8")

    with pytest.raises(OutputExistsError, match=r"out\.json: already exists") as caught:
        open_outputs(path)

    assert caught.value.exit_code == ExitCode.USAGE
    assert "--overwrite" in str(caught.value.hint)
    assert path.read_text("utf-8") == "mine"


def test_an_existing_provenance_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "out.csv.meta.json").write_text("{}", encoding="utf-8")

    with pytest.raises(OutputExistsError, match=r"out\.csv\.meta\.json"):
        open_outputs(tmp_path / "out.csv")


def test_overwriting_replaces_when_the_new_file_is_whole(
    provenance: Provenance, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old", encoding="utf-8")

    outputs = open_outputs(path, overwrite=True)
    outputs.write(classified("a.jpg"))

    assert path.read_text("utf-8") == "old"
    outputs.finish(provenance)
    assert len(read_json_lines(path)) == 1


def test_overwriting_a_link_keeps_the_link(provenance: Provenance, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)

    outputs = open_outputs(link, overwrite=True)
    outputs.write(classified("a.jpg"))
    outputs.finish(provenance)

    assert link.is_symlink()
    assert json.loads(target.read_bytes())["results"]


def test_a_file_that_comes_meanwhile_is_left_alone(provenance: Provenance, tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.jsonl"
    outputs = open_outputs(first, second)
    outputs.write(classified("a.jpg"))
    first.write_text("somebody's", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="appeared while clipcli was running") as caught:
        outputs.finish(provenance)

    rescued = Path(caught.value.message.rpartition(" ")[2])
    assert first.read_text("utf-8") == "somebody's"
    assert len(json.loads(rescued.read_bytes())["results"]) == 1
    assert len(read_json_lines(second)) == 1


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"the folder .*missing does not exist") as caught:
        open_outputs(tmp_path / "missing" / "out.json")

    assert caught.value.exit_code == ExitCode.NOTHING_USABLE


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()

    with pytest.raises(OutputError, match="is a folder"):
        open_outputs(tmp_path / "folder.json")


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        open_outputs(tmp_path / f"{'x' * 300}.json")


def test_a_long_name_that_is_allowed_works(provenance: Provenance, tmp_path: Path) -> None:
    path = write_all(tmp_path / f"{'é' * 120}.json", [classified("a.jpg")], provenance)

    assert json.loads(path.read_bytes())["results"]


def test_a_read_only_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere, so the question is answered for it.
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(OutputError, match="is not writable"):
        open_outputs(tmp_path / "out.json")


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named twice"):
        open_outputs(tmp_path / "out.json", tmp_path / "." / "out.json")


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.table"])
def test_an_ending_without_a_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format is known") as caught:
        open_outputs(tmp_path / name)

    assert ".jsonl" in str(caught.value.hint)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="--format xml: unknown format"):
        requested("xml", None, FORMATS, overwrite=False)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_fills_up_leaves_nothing_and_spares_the_others(
    ending: str, provenance: Provenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, fine = tmp_path / f"full.{ending}", tmp_path / "fine.json"
    outputs = open_outputs(full, fine)
    outputs.write(classified("a.jpg"))

    class Full:
        def __getattr__(self, name: str) -> object:
            raise OSError(28, "No space left on device")

    broken = outputs._files[0]._file
    real = broken.binary
    broken.binary = Full()  # type: ignore[assignment]

    with pytest.raises(ClipcliError, match="No space left on device") as caught:
        outputs.finish(provenance)

    real.close()
    assert caught.value.exit_code == ExitCode.NOTHING_USABLE
    assert names_in(tmp_path) == ["fine.json"]
    assert len(json.loads(fine.read_bytes())["results"]) == 1


def test_a_second_output_that_cannot_be_opened_takes_the_first_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = OutputRequest(files=((tmp_path / "a.json", "json"), (tmp_path / "b.json", "json")))
    real = files.tempfile.mkstemp

    def fail_for_b(**options: str) -> tuple[int, str]:
        if "b.json" in options["prefix"]:
            raise OSError(24, "Too many open files")
        return real(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(files.tempfile, "mkstemp", fail_for_b)

    with pytest.raises(OutputError, match="Too many open files"):
        Outputs(request, PETS, top_k=5, ranked=True)

    assert names_in(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no such permissions on this system")
def test_files_get_the_permissions_that_new_files_get(
    provenance: Provenance, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        path = write_all(tmp_path / "out.json", [classified("a.jpg")], provenance)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
