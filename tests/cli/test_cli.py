"""``clipcli classify`` as a user meets it: one clear line for each mistake, and the exit code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from clipcli import process as interrupts
from clipcli.cli.app import run
from clipcli.encoder.onnx.library import onnx_runtime
from clipcli.labels.label_set import builtin_label_sets
from clipcli.pipeline import prefetch as feeder
from clipcli.pipeline.inputs import Inputs
from tests.conftest import ROOT
from tests.fakes import FakeEncoder

LABELS = ("--labels", "red,green,blue", "--templates", "plain")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and pipes as on POSIX")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(fake_model: FakeEncoder, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs the command line here, with arithmetic for a model."""

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def is_one_clear_line(err: str) -> bool:
    """Tell whether an error is a line, and perhaps a hint; a traceback is neither."""
    lines = err.splitlines()
    return (
        lines[0].startswith("clipcli: ")
        and all(line.startswith("  hint: ") for line in lines[1:])
        and len(lines) <= 2
    )


def paths_in(out: str) -> list[str]:
    return [json.loads(line)["path"] for line in out.splitlines()]


# --- what goes right


def test_pictures_become_tsv_in_a_pipe(cli: Cli, pictures: Path) -> None:
    code, out, err = cli("classify", pictures, *LABELS)

    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [row[:2] for row in rows] == [
        [str(pictures / "blue.png"), "blue"],
        [str(pictures / "green.png"), "green"],
        [str(pictures / "red.png"), "red"],
    ]


def test_a_table_can_be_had_in_a_pipe(cli: Cli, pictures: Path) -> None:
    code, out, _ = cli("classify", pictures / "red.png", *LABELS, "--format", "table")

    assert code == 0
    assert out.splitlines()[0] == str(pictures / "red.png")
    assert "\x1b" not in out


def test_files_silence_standard_output(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("a.json", "b.csv", "c.jsonl", "d.parquet", "e.tsv")]

    code, out, _ = cli("classify", pictures, *LABELS, *(f"-o{path}" for path in outputs))

    assert (code, out) == (0, "")
    assert all(path.exists() for path in outputs)
    assert len(json.loads(outputs[0].read_bytes())["results"]) == 3


def test_format_and_file_may_be_had_together(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    _, out, _ = cli("classify", pictures, *LABELS, "-o", tmp_path / "a.json", "-f", "jsonl")

    assert [json.loads(line) for line in out.splitlines()] == json.loads(
        (tmp_path / "a.json").read_bytes()
    )["results"]


def test_provenance_tells_how_to_get_the_same_again(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    cli("classify", pictures, *LABELS, "-o", tmp_path / "a.json", "-k2", "--min-prob=0.9")

    told = json.loads((tmp_path / "a.json").read_bytes())["provenance"]

    assert told["counts"] == {"ok": 3, "skipped": 0, "ignored": 0}
    assert (told["templates"], told["top_k"], told["min_prob"]) == (["{}"], 2, 0.9)
    assert (told["fingerprint"], told["device"]) == ("f" * 64, "cpu")
    assert told["versions"]["clipcli"]


def test_top_k_and_min_prob(cli: Cli, pictures: Path) -> None:
    _, out, _ = cli("classify", pictures, *LABELS, "-fjsonl", "-k2", "--min-prob", "1")

    record = json.loads(out.splitlines()[0])
    assert len(record["top"]) == 2
    assert (record["label"], record["decision"]) == (None, "below_threshold")


def test_a_list_of_paths_in_a_file(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{pictures / 'red.png'}\r\n\n{pictures / 'blue.png'}\n", encoding="utf-8")

    _, out, _ = cli("classify", "--from-file", listed, *LABELS, "-fjsonl")

    assert paths_in(out) == [str(pictures / "red.png"), str(pictures / "blue.png")]


def test_unexpanded_patterns(cli: Cli, pictures: Path) -> None:
    _, out, _ = cli("classify", f"{pictures}/*e*.png", *LABELS, "-fjsonl")

    assert [Path(path).name for path in paths_in(out)] == ["blue.png", "green.png", "red.png"]


def test_other_files_are_counted_in_one_line(cli: Cli, pictures: Path) -> None:
    (pictures / "notes.txt").write_text("not a picture", encoding="utf-8")
    (pictures / ".hidden.png").write_bytes(b"")

    code, out, err = cli("classify", pictures, *LABELS)

    assert (code, len(out.splitlines())) == (0, 3)
    assert err == "clipcli: 1 other file left out; no picture by ending or content\n"


def test_quiet_leaves_only_results_and_errors(cli: Cli, pictures: Path) -> None:
    (pictures / "notes.txt").write_text("not a picture", encoding="utf-8")

    _, out, err = cli("classify", pictures, "missing.jpg", *LABELS, "--quiet")

    assert (len(out.splitlines()), err) == (4, "")


def test_verbose_tells_model_device_labels_and_times(cli: Cli, pictures: Path) -> None:
    cold = cli("classify", pictures, *LABELS, "--verbose").err
    warm = cli("classify", pictures, *LABELS, "--verbose").err

    assert f"model fake, fingerprint {'f' * 12}\n" in cold
    assert "ran on cpu in fp32" in cold
    assert "3 labels: 3 encoded, 0 from the cache" in cold
    assert "3 labels: 0 encoded, 3 from the cache" in warm
    assert "3 inputs in " in cold
    assert " a second" in cold
    for phase in ("waiting for the model", "encoding labels", "encoding pictures", "decoding"):
        assert phase in cold


def test_cold_warm_and_uncached_runs_print_the_same(cli: Cli, pictures: Path) -> None:
    arguments = ("classify", pictures, *LABELS, "-fjsonl")

    cold, warm, uncached = cli(*arguments), cli(*arguments), cli(*arguments, "--no-cache")

    assert cold == warm == uncached


def test_prompts_that_are_cut_are_told(cli: Cli, pictures: Path) -> None:
    _, _, err = cli("classify", pictures, "--labels", f"{'x' * 100},b", "--templates", "plain")

    assert "has 102 tokens; the model reads the first 24" in err
    assert len(err.splitlines()) == 1


def test_a_cache_that_cannot_be_used_is_one_line(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("CLIPCLI_CACHE", str(tmp_path / "file"))

    code, out, err = cli("classify", pictures, *LABELS)

    assert (code, len(out.splitlines())) == (0, 3)
    assert len(err.splitlines()) == 1
    assert "going on without the cache" in err


def test_many_reasons_are_cut_to_a_count(cli: Cli, pictures: Path) -> None:
    missing = [f"missing-{i}.jpg" for i in range(25)]

    code, out, err = cli("classify", pictures / "red.png", *missing, *LABELS)

    assert (code, len(out.splitlines())) == (5, 26)
    assert err.count("skipped missing-") == 3
    assert "25 of 26 inputs were skipped: 25 no such file or folder" in err


def test_version_names_what_numbers_depend_on(cli: Cli) -> None:
    code, out, _ = cli("--version")

    assert code == 0
    assert {"clipcli", "python", "torch", "numpy", "pillow"} <= {
        line.split()[0] for line in out.splitlines()
    }


@pytest.mark.parametrize("arguments", [["-h"], ["classify", "-h"], ["embed", "--help"]])
def test_help(arguments: list[str], cli: Cli) -> None:
    code, out, err = cli(*arguments)

    assert (code, err) == (0, "")
    assert out.startswith("Usage: clipcli")


def test_no_command_shows_what_there_is(cli: Cli) -> None:
    code, _, err = cli()

    assert code == 2
    assert "classify" in err
    assert "Traceback" not in err


# --- what goes wrong: one line, a hint, the documented exit code


def test_without_labels_the_built_in_ones_are_listed(cli: Cli, pictures: Path) -> None:
    code, _, err = cli("classify", pictures)

    assert code == 2
    assert is_one_clear_line(err)
    assert all(name in err for name in builtin_label_sets())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["classify", "x.jpg", "--labels", "cat"], 2, "neither a label file nor"),
        (["classify", "x.jpg", "--labels", "cat,,dog"], 2, "empty label"),
        (["classify", "x.jpg", "--labels", "cat,dog,cat"], 2, "appears twice"),
        (["classify", "x.jpg", "--labels", "animalss"], 2, "did you mean animals"),
        (["classify", "x.jpg", "--labels", "missing/set.yaml"], 2, "no such label file"),
        (["classify", "x.jpg", *LABELS[:2], "-t", "a photo"], 2, "no template set"),
        (["classify", "x.jpg", *LABELS[:2], "-t", "photos"], 2, "did you mean 'photo'"),
        (["classify", *LABELS], 2, "no pictures were given"),
        (["classify", "x.jpg", *LABELS, "--format", "xml"], 2, "unknown format"),
        (["classify", "x.jpg", *LABELS, "-o", "out.xls"], 2, "no format is known"),
        (["classify", "x.jpg", *LABELS, "-o", "missing/out.csv"], 3, "does not exist"),
        (["classify", "x.jpg", *LABELS, "--top-k", "0"], 2, "--top-k"),
        (["classify", "x.jpg", *LABELS, "--top-k", "many"], 2, "--top-k"),
        (["classify", "x.jpg", *LABELS, "--min-prob", "2"], 2, "--min-prob"),
        (["classify", "x.jpg", *LABELS, "--min-prob", "nan"], 2, "--min-prob"),
        (["classify", "x.jpg", *LABELS, "--max-pixels", "inf"], 2, "--max-pixels"),
        (["classify", "x.jpg", *LABELS, "--from-file", "missing.txt"], 2, "missing.txt"),
        (["classify", "x.jpg", *LABELS, "--from-file", "tests"], 2, "cannot be read as a list"),
        (["classify", "x.jpg", "--lables", "animals"], 2, "--labels"),
        (["clasify", "x.jpg"], 2, "clasify"),
        (["embed", "x.jpg"], 2, "--output"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: list[str], code: int, words: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    outcome = cli(*arguments)

    assert (outcome.code, outcome.out) == (code, "")
    assert words in outcome.err
    assert is_one_clear_line(outcome.err)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"cat\n", "one.txt", "the only label"),
        (b"# nothing\n", "none.txt", "has no labels"),
        (b"cat\ndog\ncat\n", "twice.txt", "twice.txt:3: label 'cat' appears twice"),
        ("cat\nSäge\n".encode("latin-1"), "latin.txt", "latin.txt:2: byte 6 (0xe4) is not UTF-8"),
        (b"labels:\n  - cat\n  dog\n", "bad.yaml", "bad.yaml:"),
        (b"labels: [cat, dog]\ntemplates: [a photo]\n", "t.yaml", "has no {}"),
    ],
)
def test_bad_label_files_name_file_and_line(
    content: bytes, name: str, words: str, cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    code, out, err = cli("classify", pictures, "--labels", tmp_path / name)

    assert (code, out) == (2, "")
    assert words in err
    assert is_one_clear_line(err)


def test_a_misspelt_label_path_comes_with_a_suggestion(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "animals-mine.yaml").write_text("labels: [cat, dog]", encoding="utf-8")

    _, _, err = cli("classify", pictures, "--labels", tmp_path / "animal-mine.yaml")

    assert f"did you mean {tmp_path / 'animals-mine.yaml'}" in err


def test_a_missing_path_costs_the_others_nothing(cli: Cli, pictures: Path) -> None:
    code, out, err = cli("classify", "missing.jpg", pictures / "red.png", *LABELS, "-fjsonl")

    records = [json.loads(line) for line in out.splitlines()]
    assert code == 5
    assert records[0] == {
        "path": "missing.jpg",
        "status": "skipped",
        "reason": "no such file or folder",
    }
    assert records[1]["label"] == "red"
    assert err == "clipcli: skipped missing.jpg: no such file or folder\n"


def test_only_missing_paths_are_an_error(cli: Cli) -> None:
    code, out, err = cli("classify", "missing.jpg", *LABELS)

    assert code == 3
    assert out == "missing.jpg\t\t\n"
    assert err.splitlines()[-1] == "clipcli: missing.jpg: no picture could be read"


@pytest.mark.parametrize("n_files", [0, 2])
def test_a_folder_without_pictures_is_an_error(n_files: int, cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(n_files):
        (folder / f"{i}.txt").write_text("text", encoding="utf-8")

    code, out, err = cli("classify", folder, *LABELS)

    assert (code, out) == (3, "")
    assert "no pictures found" in err
    assert ("2 other files left out" in err) == bool(n_files)
    assert is_one_clear_line(err)


def test_bad_pictures_are_records_beside_the_good_ones(cli: Cli, pictures: Path) -> None:
    (pictures / "cut.png").write_bytes((pictures / "red.png").read_bytes()[:50])
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.jpg").write_text("I am text", encoding="utf-8")

    code, out, _ = cli("classify", pictures, *LABELS, "-fjsonl")

    reasons = {
        Path(record["path"]).name: record.get("reason")
        for record in map(json.loads, out.splitlines())
    }
    assert code == 5
    assert reasons == {
        "blue.png": None,
        "cut.png": "truncated PNG",
        "empty.jpg": "empty file",
        "green.png": None,
        "red.png": None,
        "text.jpg": "not a picture: looks like text",
    }


def test_max_pixels_is_in_megapixels(cli: Cli, tmp_path: Path) -> None:
    Image.new("L", (1000, 1001)).save(tmp_path / "large.png")

    over = cli("classify", tmp_path / "large.png", *LABELS, "--max-pixels", "1")
    under = cli("classify", tmp_path / "large.png", *LABELS, "--max-pixels", "1.001")

    assert (over.code, under.code) == (3, 0)
    assert "over the limit of 1 megapixels" in over.err


def test_an_existing_output_is_refused_before_any_work(
    cli: Cli, fake_model: FakeEncoder, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.json").write_text("mine", encoding="utf-8")

    code, _, err = cli("classify", pictures, *LABELS, "-o", tmp_path / "out.json")

    assert code == 2
    assert is_one_clear_line(err)
    assert (tmp_path / "out.json").read_text("utf-8") == "mine"
    assert fake_model.batches == []


def test_overwrite_replaces(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old", encoding="utf-8")

    code, _, _ = cli("classify", pictures, *LABELS, "-o", tmp_path / "out.json", "--overwrite")

    assert code == 0
    assert json.loads((tmp_path / "out.json").read_bytes())["results"]


def test_an_unforeseen_error_is_a_bug_and_keeps_its_traceback(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeder, "usable_cores", lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        cli("classify", pictures, *LABELS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "abacus"], "device 'abacus' is not known"),
        (["--device", "cuda:99"], "device 'cuda:99' is not available"),
        (["--precision", "fp8"], "precision 'fp8' is not known"),
    ],
)
def test_an_unknown_device_or_precision(
    options: list[str],
    words: str,
    use_tiny_model: None,
    pictures: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = run(["classify", str(pictures), *LABELS, *options])

    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert words in err
    assert is_one_clear_line(err)


@pytest.mark.parametrize("model", ["no-such-model", "empty-folder"])
def test_a_model_that_is_none(
    model: str, pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty-folder").mkdir()

    code = run(["classify", str(pictures), *LABELS, "--model", str(tmp_path / model)])

    out, err = capfd.readouterr()
    assert (code, out) == (4, "")
    assert is_one_clear_line(err)


# --- lists on standard input, pipes and signals: a process of its own each


SLOW = """
import os, sys, time
sys.path.insert(0, {root!r})
from clipcli.encoder import encoder
from clipcli.images import load
from tests.fakes import FakeEncoder
class Slow(FakeEncoder):
    def encode_images(self, pixels):
        time.sleep({pause_s})
        return super().encode_images(pixels)
encoder.load_encoder = lambda *_: Slow(batch_size=1)
from clipcli import __main__
__main__.main()
"""


def start(
    arguments: Sequence[object], pause_s: float = 0.0, **options: Any
) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, with a slow and simple model."""
    program = SLOW.format(root=str(ROOT), pause_s=pause_s)
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        **(settings | {"env": os.environ | {"PYTHONPATH": str(ROOT)}} | options),
    )


ENVIRONMENT = """
import os, sys
sys.path.insert(0, {root!r})
from clipcli import __main__
from clipcli.cli import app as cli
cli.run = lambda: print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules) or 0
__main__.main()
"""


@pytest.mark.parametrize(("told", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_torchs_threads_sleep_between_products_unless_told_otherwise(
    told: str | None, used: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": told} if told else {}

    done = subprocess.run(
        [sys.executable, "-c", ENVIRONMENT.format(root=str(ROOT))],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert done.stdout.split() == [used, "False"]  # said before torch could be imported


@pytest.fixture
def many_pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(150):
        Image.new("RGB", (4, 4), (i % 256, 0, 0)).save(folder / f"{i}.png")
    return folder


@POSIX
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_leaves_whole_files(
    signal_name: str, many_pictures: Path, tmp_path: Path
) -> None:
    files = [tmp_path / "out.json", tmp_path / "out.csv"]
    arguments = ["classify", many_pictures, *LABELS, "-f", "jsonl", *(f"-o{x}" for x in files)]

    process = start(arguments, pause_s=0.02)
    assert process.stdout
    first = [process.stdout.readline() for _ in range(5)]
    process.send_signal(getattr(signal, signal_name))
    out, err = process.communicate(timeout=30)

    lines = "".join(first) + out
    document = json.loads(files[0].read_bytes())
    records = [json.loads(line) for line in lines.splitlines()]
    assert process.returncode == 130
    assert err.splitlines()[-1] == "clipcli: interrupted"
    assert "Traceback" not in err
    assert lines.endswith("\n")
    assert 5 <= len(records) < 150
    assert document["results"] == records
    assert document["error"] == "interrupted"
    assert len(files[1].read_text("utf-8").splitlines()) == len(records) + 1
    assert json.loads((tmp_path / "out.csv.meta.json").read_bytes())["error"] == "interrupted"
    assert sorted(x.name for x in tmp_path.iterdir()) == [
        "many",
        "out.csv",
        "out.csv.meta.json",
        "out.json",
    ]


@POSIX
def test_a_closed_pipe_ends_the_run_without_a_word(many_pictures: Path) -> None:
    process = start(["classify", many_pictures, *LABELS])
    assert process.stdout
    assert process.stderr

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


@POSIX
def test_a_closed_pipe_ends_a_table_without_a_word(many_pictures: Path) -> None:
    process = start(["classify", many_pictures, *LABELS, "--format", "table"])
    assert process.stdout
    assert process.stderr

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


@POSIX
def test_a_closed_pipe_does_not_cost_the_files(many_pictures: Path, tmp_path: Path) -> None:
    process = start(["classify", many_pictures, *LABELS, "-ftsv", "-o", tmp_path / "out.json"])
    assert process.stdout
    assert process.stderr

    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=30) == 0
    assert len(json.loads((tmp_path / "out.json").read_bytes())["results"]) == 150
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("form", ["tsv", "json", "parquet", "table"])
def test_a_full_disk_under_standard_output_is_told(form: str, pictures: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start(["classify", pictures, *LABELS, "-f", form], stdout=full)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 3
    assert "standard output" in err
    assert is_one_clear_line(err)


def test_an_empty_list_on_standard_input_is_an_error() -> None:
    process = start(["classify", "-", *LABELS], stdin=subprocess.DEVNULL)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 3
    assert err == "clipcli: standard input: no pictures found\n"


@POSIX
def test_a_nul_separated_list_on_standard_input(pictures: Path) -> None:
    (pictures / "line\nbreak.png").write_bytes((pictures / "red.png").read_bytes())
    names = "\0".join(str(path) for path in sorted(pictures.iterdir()))

    process = start(["classify", "-0", "-", *LABELS, "-f", "jsonl"], stdin=subprocess.PIPE)
    out, err = process.communicate(names + "\0", timeout=30)

    assert (process.returncode, err) == (0, "")
    assert [Path(path).name for path in paths_in(out)] == [
        "blue.png",
        "green.png",
        "line\nbreak.png",
        "red.png",
    ]


def test_a_slow_list_on_standard_input_gets_results_as_it_comes(pictures: Path) -> None:
    process = start(["classify", "-", *LABELS], stdin=subprocess.PIPE)
    assert process.stdin
    assert process.stdout

    for name in ("red", "green"):
        process.stdin.write(f"{pictures / name}.png\n")
        process.stdin.flush()
        # Would wait for ever if results were held back until the list is over.
        assert process.stdout.readline().split("\t")[1] == name
    process.communicate(timeout=30)

    assert process.returncode == 0


# --- terminals


def run_in_terminal(arguments: Sequence[object], columns: int, *, stdout: bool = True) -> str:
    """Run the command line in a terminal of its own, and return what it was sent."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "LANG": "C.UTF-8"}
    for name in ("COLUMNS", "NO_COLOR"):
        environment.pop(name, None)
    options = {"stdout": theirs if stdout else subprocess.DEVNULL, "stderr": theirs}
    process = start(arguments, pause_s=0.005, env=environment, **options)
    os.close(theirs)
    sent = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while piece := os.read(ours, 65536):
            sent += piece
    os.close(ours)
    assert process.wait(timeout=30) in (0, 5)
    return sent.decode("utf-8")


@POSIX
def test_a_terminal_gets_a_table_without_what_names_would_do_to_it(pictures: Path) -> None:
    (pictures / "red.png").rename(pictures / "\x1b]0;title\x07red.png")

    sent = run_in_terminal(["classify", pictures, *LABELS], columns=60)

    assert "\x1b]0;" not in sent
    assert "\\x1b]0;title\\x07red.png" in sent
    assert "█" in sent
    assert "\x1b[32m" in sent  # green


@POSIX
def test_progress_counts_on_a_terminal(many_pictures: Path, tmp_path: Path) -> None:
    arguments = ["classify", many_pictures, *LABELS, "-o", tmp_path / "out.json"]

    sent = run_in_terminal(arguments, columns=100)
    quiet = run_in_terminal([*arguments, "--overwrite", "--quiet"], columns=100)

    assert "/150" in sent
    assert not re.search("[0-9]/s", sent)  # it is over before a rate would mean something
    assert quiet == ""


# --- pieces that no process is needed for


def test_a_list_from_a_pipe_is_never_walked_twice(tmp_path: Path) -> None:
    regular = tmp_path / "list.txt"
    regular.write_text("", encoding="utf-8")

    assert Inputs((), from_file=regular).can_be_walked_twice
    assert not Inputs(("-",)).can_be_walked_twice
    assert not Inputs((), from_file=Path("-")).can_be_walked_twice
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert not Inputs((), from_file=tmp_path / "pipe").can_be_walked_twice


def test_an_interrupt_waits_until_a_record_is_whole() -> None:
    done = []

    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it is raised is the question
        with interrupts.held():
            interrupts._knock(signal.SIGINT, None)
            with interrupts.held():
                done.append("inner")
            done.append("outer")
        done.append("after")

    assert done == ["inner", "outer"]


def test_an_interrupt_within_the_import_of_onnx_runtime_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As its C++ part does, which turns any exception within into this one.
    lines = (
        "from clipcli import process",
        "try:",
        "    process._knock(2, None)",
        "except KeyboardInterrupt:",
        "    raise ImportError('initialization failed')",
        "def disable_telemetry_events(): ...",
    )
    (tmp_path / "onnxruntime.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)

    with pytest.raises(KeyboardInterrupt):
        onnx_runtime()

    sys.modules.pop("onnxruntime", None)


def test_a_second_interrupt_does_not_wait() -> None:
    done = []

    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012
        interrupts._knock(signal.SIGINT, None)
        interrupts._knock(signal.SIGINT, None)
        done.append("never")

    assert done == []
    with interrupts.held():
        pass  # nothing is left over


def test_completion_knows_names_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def complete(words: str) -> list[str]:
        environment = os.environ | {
            "_CLIPCLI_COMPLETE": "complete_bash",
            "COMP_WORDS": f"clipcli classify {words}",
            "COMP_CWORD": str(len(words.split()) + 1),
        }
        finished = subprocess.run(
            [sys.executable, "-m", "clipcli"],
            env=environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return finished.stdout.split()

    assert complete("--labels anim") == ["animals"]
    assert complete("--format js") == ["json", "jsonl"]
    assert complete("--precision bf") == ["bf16"]


@pytest.mark.usefixtures("use_tiny_model")
def test_many_skips_with_one_reason_do_not_hide_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for i in range(30):
        (tmp_path / f"m{i:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "z.jpg").write_bytes(b"\xff\xd8\xff")

    code = run(["classify", str(tmp_path), "--labels", "cat, dog"])

    notes = capsys.readouterr().err
    assert code == 5
    assert notes.count("/m") == 3
    assert "z.jpg: " in notes
    assert "31 of 32 inputs were skipped: 30 " in notes


@pytest.mark.usefixtures("use_tiny_model")
def test_top_k_counts_in_tsv_where_it_is_given(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["classify", str(pictures / "red.png"), "--labels", "cat, dog, cow"]

    run(command)
    one = capsys.readouterr().out
    run([*command, "--top-k", "2"])
    two = capsys.readouterr().out
    run([*command, "--top-k", "9"])

    assert [line.count("\t") for line in (one, two, capsys.readouterr().out)] == [2, 4, 6]
    assert two.startswith(one.rstrip("\n"))


def test_json_is_short_for_a_format_and_refuses_another(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["classify", str(pictures), "--labels", "cat, dog", "--json", "--format", "csv"])

    assert code == 2
    assert "--json and --format csv: choose one of them" in capsys.readouterr().err


def test_help_of_a_command_is_asked_for_in_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    run(["help", "probe", "fit"])
    first = capsys.readouterr().out
    run(["probe", "fit", "--help"])

    assert first == capsys.readouterr().out
    assert first.startswith("Usage: clipcli probe fit")


@pytest.mark.usefixtures("cache_folder")
def test_advice_about_the_small_model_comes_once_a_day(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLIPCLI_MODEL")
    command = ["classify", str(pictures / "red.png"), "--labels", "cat, dog"]

    notes = []
    for _ in range(2):
        run(command)
        notes.append(capsys.readouterr().err)

    assert ["small bundled model" in text for text in notes] == [True, False]
