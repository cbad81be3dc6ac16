"""``clipcli models`` and ``clipcli doctor`` on the command line."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipcli.cli.app import run
from clipcli.encoder import selfcheck
from clipcli.models import resolve as userconfig
from clipcli.models.catalog.catalog import catalog
from clipcli.models.catalog.locators import locator_catalog
from clipcli.models.folder import builtin_model_folder
from clipcli.models.formats.safetensors import read_tensor_table
from clipcli.models.store import installed_models
from tests.conftest import ROOT

Capture = pytest.CaptureFixture[str]
Clip = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def nothing_chosen(model_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPCLI_MODEL")


@pytest.fixture
def bundled(tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the tiny model, with its expectations, in the place of the bundled one."""
    folder = tmp_path / "mini"
    shutil.copytree(tiny_model_folder, folder)
    selfcheck.write_selfcheck(folder)
    monkeypatch.setattr("clipcli.models.store.builtin_model_folder", lambda: folder)
    return folder


@pytest.fixture
def imported(tiny_model_folder: Path) -> str:
    assert run(["models", "import", str(tiny_model_folder), "--name", "my.tiny", "-q"]) == 0
    return "my.tiny"


def change_weight(folder: Path, name: str, change: Callable[[float], float]) -> None:
    """Change one number of a model's weights, in place."""
    path = folder / "model.safetensors"
    place = read_tensor_table(path)[name]
    assert place.dtype == "F32"
    with path.open("r+b") as file:
        file.seek(place.begin)
        (value,) = struct.unpack("<f", file.read(4))
        file.seek(place.begin)
        file.write(struct.pack("<f", change(value)))


def next_float(value: float) -> float:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    (changed,) = struct.unpack("<f", struct.pack("<I", bits ^ 1))
    return float(changed)


def test_list_shows_what_is_here_and_what_could_be(
    imported: str, bundled: Path, capfd: Capture
) -> None:
    capfd.readouterr()

    code = run(["models", "list"])

    rows = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert code == 0
    assert [row[:2] for row in rows[:2]] == [["mini", "default"], [imported, "installed"]]
    known = [entry.name for entry in (*catalog(), *locator_catalog())]
    assert [row[0] for row in rows[2:]] == known
    assert {row[1] for row in rows[2:]} == {"available"}
    assert {len(row) for row in rows} == {6}


def test_list_as_json_says_where_figures_come_from(capfd: Capture) -> None:
    run(["models", "list", "--json"])

    models = json.loads(capfd.readouterr().out)
    assert set(models[0]) == {
        *("name", "state", "n_bytes", "image_size", "imagenet_top1", "imagenet_source"),
        *("licence", "repository", "box_ap"),
    }
    assert all(m["imagenet_source"] for m in models if m["imagenet_top1"] is not None)


def test_list_needs_neither_torch_nor_numpy_nor_rich(tmp_path: Path) -> None:
    program = (
        "import sys; from clipcli.cli.app import run; run(['models', 'list']);"
        "print(sorted({'torch', 'numpy', 'rich', 'huggingface_hub', 'PIL'} & set(sys.modules)),"
        " file=sys.stderr)"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert finished.stderr.strip() == "[]"


def test_show_of_a_model_that_is_not_here(capfd: Capture) -> None:
    code = run(["models", "show", "ViT-B/32", "--json"])

    told = json.loads(capfd.readouterr().out)
    assert code == 0
    assert (told["name"], told["state"]) == ("ViT-B-32.openai", "available")
    assert told["architecture"]["image"]["patch_size"] == 32
    assert told["architecture"]["activation"] == "quick_gelu"


def test_show_of_an_installed_model(imported: str, capfd: Capture) -> None:
    capfd.readouterr()

    run(["models", "show", imported])
    rows = dict(line.split("\t") for line in capfd.readouterr().out.splitlines())
    run(["models", "show", imported, "--path"])
    path = Path(capfd.readouterr().out.strip())

    assert rows["name"] == imported
    assert rows["path"] == str(path)
    assert rows["architecture.activation"] == "quick_gelu"
    assert (path / "model.safetensors").is_file()


def test_show_of_nothing_known_suggests(capfd: Capture) -> None:
    code = run(["models", "show", "ViT-B-23.openai"])

    assert code == 4
    assert "ViT-B-32.openai" in capfd.readouterr().err


def test_an_imported_model_classifies_under_its_name(
    imported: str, pictures: Path, clipcli_process: Clip
) -> None:
    finished = clipcli_process("classify", pictures, "--labels", "cat, dog", "--model", imported)

    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == 3
    assert "bundled" not in finished.stderr


def test_without_a_chosen_model_one_line_says_how_to_get_a_better_one(
    bundled: Path, pictures: Path, capfd: Capture
) -> None:
    command = ["classify", str(pictures), "--labels", "cat, dog", "--no-cache"]

    run(command)
    unasked = capfd.readouterr().err
    run([*command, "--quiet"])
    quiet = capfd.readouterr().err
    run(["models", "default", "mini"])
    run(command)
    chosen = capfd.readouterr().err

    (line,) = [line for line in unasked.splitlines() if "bundled" in line]
    assert "clipcli models pull" in line
    assert "clipcli models default" in line
    assert (quiet, chosen) == ("", "")


@pytest.mark.parametrize("name", [".hidden", "a/b", "a b", "", "mini"])
def test_import_under_a_name_that_cannot_be(
    tiny_model_folder: Path, name: str, capfd: Capture, model_store: Path
) -> None:
    code = run(["models", "import", str(tiny_model_folder), "--name", name or " "])

    assert code == 4
    assert capfd.readouterr().err.startswith("clipcli: ")
    assert not model_store.exists()


def test_import_of_something_else_leaves_nothing(
    tmp_path: Path, capfd: Capture, model_store: Path
) -> None:
    page = tmp_path / "model.safetensors"
    page.write_text("<html>404</html>", encoding="utf-8")

    codes = {
        run(["models", "import", str(page), "--name", "page"]),
        run(["models", "import", str(tmp_path / "nowhere"), "--name", "nothing"]),
    }

    assert codes == {4}
    assert not any(model_store.iterdir())


def test_import_on_a_full_disk_leaves_nothing(
    tiny_model_folder: Path, capfd: Capture, model_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clipcli.models.folder.write_tensors", run_out)

    code = run(["models", "import", str(tiny_model_folder), "--name", "x"])

    assert code == 4
    assert "No space left on device" in capfd.readouterr().err
    assert not any(model_store.iterdir())


def test_verify_notices_one_changed_bit(imported: str, bundled: Path, capfd: Capture) -> None:
    capfd.readouterr()

    good = run(["models", "verify"])
    good_lines = capfd.readouterr().out.splitlines()
    change_weight(installed_models()[imported].folder, "visual.conv1.weight", next_float)
    bad = run(["models", "verify", imported])
    bad_line = capfd.readouterr().out

    assert (good, good_lines) == (0, ["mini: ok", f"{imported}: ok"])
    assert bad == 4
    assert "files have changed" in bad_line


def test_rm_asks_before_it_removes(imported: str, capfd: Capture) -> None:
    without_answer = run(["models", "rm", imported])
    told = capfd.readouterr().err
    there = imported in installed_models()
    userconfig.write_default_model(imported)
    with_yes = run(["models", "rm", imported, "--yes"])

    assert (without_answer, there) == (2, True)
    assert "--yes" in told
    assert with_yes == 0
    assert imported not in installed_models()
    assert userconfig.read_default_model() is None


@pytest.mark.parametrize("command", [("rm", "--yes"), ("default",), ("verify",), ("show",)])
def test_an_empty_name_is_not_the_default_model(
    command: tuple[str, ...], imported: str, capfd: Capture
) -> None:
    userconfig.write_default_model(imported)

    code = run(["models", command[0], "", *command[1:]])

    assert code == 2
    assert "NAME: is empty" in capfd.readouterr().err
    assert imported in installed_models()


def test_default_is_told_and_checked(imported: str, capfd: Capture) -> None:
    run(["models", "default", imported])
    capfd.readouterr()

    run(["models", "default"])
    told = capfd.readouterr().out.strip()
    unknown = run(["models", "default", "nothing-like-it"])

    assert told == imported
    assert unknown == 4
    assert userconfig.read_default_model() == imported


def doctor(capfd: Capture, *options: str) -> tuple[int, dict[str, dict[str, str]], list[str]]:
    """Run doctor; return its exit code, what it says by topic and name, and its faults."""
    capfd.readouterr()
    code = run(["doctor", "--json", "--device", "cpu", "--precision", "fp32", *options])
    told = json.loads(capfd.readouterr().out)
    topics: dict[str, dict[str, str]] = {}
    for finding in told["findings"]:
        topics.setdefault(finding["topic"], {})[finding["name"]] = finding["value"]
    faults = [finding["name"] for finding in told["findings"] if finding["is_fault"]]
    assert told["ok"] is (not faults)
    return code, topics, faults


def test_doctor_finds_the_bundled_model_well(bundled: Path, capfd: Capture) -> None:
    code, topics, faults = doctor(capfd)

    assert (code, faults) == (0, [])
    assert set(topics) == {"versions", "extras", "devices", "places", "model", "self-check"}
    assert "fp32" in topics["devices"]["cpu"]
    assert str(bundled) in topics["model"]["mini"]
    assert set(topics["self-check"]) == {"images (cpu, fp32)", "texts (fp32)"}


def test_doctor_notices_a_changed_weight_and_what_it_does(bundled: Path, capfd: Capture) -> None:
    change_weight(bundled, "visual.ln_pre.bias", lambda value: value + 3)

    code, topics, faults = doctor(capfd)

    assert code == 4
    assert faults == ["fingerprint", "images (cpu, fp32)"]
    assert "the files have changed" in topics["model"]["fingerprint"]
    assert "largest deviation" in topics["self-check"]["images (cpu, fp32)"]


def test_doctor_notices_one_changed_bit(bundled: Path, capfd: Capture) -> None:
    change_weight(bundled, "visual.conv1.weight", next_float)

    code, _, faults = doctor(capfd)

    assert (code, faults) == (4, ["fingerprint"])


def test_doctor_notices_a_weight_that_is_no_number(bundled: Path, capfd: Capture) -> None:
    change_weight(bundled, "visual.ln_pre.bias", lambda _: math.nan)

    code, topics, faults = doctor(capfd)

    assert code == 4
    assert "network" in faults
    assert "finite" in topics["self-check"]["network"]


def test_doctor_notices_expectations_that_are_missing_or_of_other_weights(
    bundled: Path, capfd: Capture
) -> None:
    (bundled / "selfcheck.json").unlink()

    code, _, faults = doctor(capfd)

    assert (code, faults) == (4, ["expectations"])


def test_doctor_tells_when_the_numbers_are_off(
    bundled: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfcheck, "PROMPTS", ("another text",) * len(selfcheck.PROMPTS))

    code, _, faults = doctor(capfd)

    assert (code, faults) == (4, ["texts (fp32)"])


def test_doctor_makes_expectations_for_a_path_once(
    tiny_model_folder: Path, cache_folder: Path, capfd: Capture
) -> None:
    first = doctor(capfd, "--model", str(tiny_model_folder))
    second = doctor(capfd, "--model", str(tiny_model_folder))

    assert (first[0], second[0]) == (0, 0)
    assert "computed in fp32 on the CPU, kept as" in first[1]["self-check"]["expectations"]
    assert "expectations" not in second[1]["self-check"]
    assert len(list((cache_folder / "selfcheck").iterdir())) == 1


def test_doctor_of_an_imported_model_uses_what_was_computed_then(
    imported: str, capfd: Capture
) -> None:
    code, topics, _ = doctor(capfd, "--model", imported)

    assert code == 0
    assert "expectations" not in topics["self-check"]


def test_doctor_goes_on_where_the_model_is_broken(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "broken").mkdir()

    code, topics, faults = doctor(capfd, "--model", str(tmp_path / "broken"))

    assert (code, faults) == (4, [str(tmp_path / "broken")])
    assert topics["versions"]


def test_doctor_says_it_plainly(bundled: Path, capfd: Capture) -> None:
    code = run(["doctor", "--device", "cpu", "--precision", "fp32"])

    lines = capfd.readouterr().out.splitlines()
    assert code == 0
    assert lines[-1] == "all is well"
    assert {line.count("\t") for line in lines[:-1]} == {2}


def test_the_golden_pictures_are_pictures_and_always_the_same() -> None:
    from hashlib import sha256

    drawn = selfcheck._draw()

    assert [pixels.shape for pixels in drawn] == [(240, 320, 3)] * 4
    assert Image.fromarray(drawn[0]).getpixel((160, 120)) == (127, 127, 24)  # 280 - 256
    assert Image.fromarray(drawn[2]).getpixel((160, 120)) == (255, 40, 0)
    assert len({sha256(pixels.tobytes()).digest() for pixels in drawn}) == 4


@pytest.mark.skipif(
    not (builtin_model_folder() / "model.safetensors").is_file(),
    reason="this checkout is without the bundled model",
)
def test_the_bundled_model_of_this_checkout_is_well(capfd: Capture) -> None:
    code, _, faults = doctor(capfd)

    assert (code, faults) == (0, [])
