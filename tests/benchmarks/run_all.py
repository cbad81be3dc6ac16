"""All measurements, or some: ``make bench``, ``make bench ONLY=memory QUICK=1``.

Each section is a script of its own, whose output is kept; RESULTS.md is put together from the
newest of all. Nothing else should run meanwhile. In full it takes about twenty minutes on
two cores, besides making the inputs (once), in a hurry a third of that.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import inputs
import measure

from clipcli.process import usable_cores

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = (
    *("torch", "onnxruntime", "openvino", "nncf", "open_clip_torch", "transformers"),
    *("pillow", "numpy"),
)


@dataclass(frozen=True)
class Section:
    """A script, its arguments, and those that are added in a hurry."""

    title: str
    script: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    reads_inputs: bool = True


CLASSIFY, LIMIT = "bench_classify.py", "bench_limit.py"
SECTIONS = {
    "640x480": Section("Cold: JPEGs of 640 x 480", CLASSIFY, ("640x480",), ("--rounds", "1")),
    "12mp": Section(
        "Cold: JPEGs of 12 megapixels",
        CLASSIFY,
        ("12mp", "--only", "clipcli|DataLoader$", "--seconds", "480"),
        ("--rounds", "1", "--count", "400"),
    ),
    "png": Section(
        "Cold: PNGs of 640 x 480",
        CLASSIFY,
        ("png", "--only", "clipcli|DataLoader$"),
        ("--rounds", "1"),
    ),
    "limit": Section("The encoder's own limit", LIMIT, (), ("--rounds", "2", "--count", "500")),
    "mini": Section("The bundled model", LIMIT, ("--model", "mini"), ("--rounds", "2")),
    "warm": Section("Warm: new labels", "bench_warm.py", (), ("--counts", "1000")),
    "memory": Section("Memory", "bench_memory.py", (), ("--counts", "1000", "10000")),
    "first": Section("The first answer", "bench_first.py"),
    "startup": Section("Start-up", "bench_startup.py", reads_inputs=False),
    "text": Section("Text", "bench_text.py", reads_inputs=False),
    "tokenizer": Section("Tokenizer", "bench_tokenizer.py", reads_inputs=False),
    "training": Section("Training", "bench_training.py", reads_inputs=False),
    "loading": Section("Loading", "bench_loading.py", reads_inputs=False),
    "grounding": Section(
        "Grounding DINO", "bench_grounding.py", quick=("--rounds", "2"), reads_inputs=False
    ),
}
TITLE = "# Results"
PREAMBLE = """{title}

Written by `make bench`, which builds its inputs, a part for each processor that it was run on.
Programs take turns, so that a busy machine disturbs all alike; a figure is the median of the
rounds, in parentheses the least and the greatest; a ratio is the median of the rounds' ratios.
ViT-B/32 has random weights, the same for all.
"""
MACHINE = """# On {machine}

{versions}.
"""


def main() -> None:
    """Measure what is asked for, and write down what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help=f"sections: {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, default=inputs.FOLDER)
    options = parser.parse_args()
    os.environ.setdefault("CLIPCLI_CACHE", str(options.folder / "cache"))
    kept = options.folder / "sections"
    kept.mkdir(parents=True, exist_ok=True)
    for name in options.only or SECTIONS:
        section = SECTIONS[name]
        script = Path(__file__).with_name(section.script)
        try:
            told = output_of(section, script, options)
        except SystemExit as error:  # the others are worth their time all the same
            last = (str(error).strip().splitlines() or [""])[-1]
            print(f"{section.title}: left out: {last}", file=sys.stderr, flush=True)
            continue
        (kept / f"{name}.md").write_text(told, encoding="utf-8")
        write_results(kept)  # each time: who is interrupted keeps what was measured


def output_of(section: Section, script: Path, options: argparse.Namespace) -> str:
    """Run a script and return what it prints; plain text is fenced."""
    command = [sys.executable, script, *section.arguments]
    if section.reads_inputs:
        command += [*(section.quick if options.quick else ()), "--folder", options.folder]
    print(f"{section.title} ...", file=sys.stderr, flush=True)
    told = measure.run(command).output.strip()
    day = dt.datetime.now(dt.UTC).date()
    told = told if "| --- |" in told else f"```text\n{told}\n```"
    return f"{told}\n\nMeasured on {day}.\n"


def write_results(kept: Path) -> None:
    """Put the sections together, in place of what this processor's part was."""
    parts = [MACHINE.format(machine=machine(), versions=", ".join(versions()))]
    for name, section in SECTIONS.items():
        if (kept / f"{name}.md").exists():
            told = (kept / f"{name}.md").read_text(encoding="utf-8")
            parts.append(f"## {section.title}\n\n{told}")
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    RESULTS.write_text(with_part(before, "\n".join(parts)), encoding="utf-8")


def with_part(results: str, part: str) -> str:
    """Return the results with one processor's part renewed, or added at the end."""
    heading = part.partition("\n")[0]
    found = ["# " + told.strip() + "\n" for told in re.split(r"(?m)^# ", results)[1:]]
    others = {told.partition("\n")[0]: told for told in found}
    others.pop(TITLE, None)
    return "\n".join([PREAMBLE.format(title=TITLE), *(others | {heading: part}).values()])


def machine() -> str:
    """Say what it was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
        flags = next(line for line in lines if line.startswith("flags"))
        extra = "with AMX" if "amx_tile" in flags else "without AMX"
    except (OSError, StopIteration):
        name, extra = platform.processor(), ""
    return f"{usable_cores()} core(s) of {name} {extra}".strip()


def versions() -> list[str]:
    """Name the packages that matter."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
