"""The options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer


def completing(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what a shell asks for the rest of a word; without any, it offers files."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete


LABEL_SETS = "clipcli.label_sets"  # in a context: sets that the user's settings name


def own_label_set(context: typer.Context, value: str | None) -> str | None:
    """Return what the user's settings say for a label set's name; other values stay."""
    sets: dict[str, str] = context.meta.get(LABEL_SETS) or {}
    return sets.get(value, value) if value is not None else None


def _label_sets() -> Iterable[str]:
    from clipcli.labels.label_set import builtin_label_sets

    return builtin_label_sets()


def _template_sets() -> Iterable[str]:
    from clipcli.labels.templates import TEMPLATE_SETS

    return TEMPLATE_SETS


def installed() -> Iterable[str]:
    """Return the names of the models that are here."""
    from clipcli.models.store import installed_models

    return installed_models()


def pullable() -> Iterable[str]:
    """Return the names in the catalogue."""
    from clipcli.models.catalog.catalog import catalog
    from clipcli.models.catalog.locators import locator_catalog

    names = [name for entry in catalog() for name in (*entry.aliases[:1], entry.name)]
    return [*names, *(entry.name for entry in locator_catalog())]


def journal_paths() -> Iterable[str]:
    """Return the journals of sorts, the newest first."""
    from clipcli.workflows.journal.journal import journals

    return [str(path) for path in reversed(journals())]


def _formats() -> Iterable[str]:
    from clipcli.output.results import FORMATS

    return FORMATS


def _devices() -> Iterable[str]:
    from clipcli.encoder.encoder import DEVICES

    return DEVICES


def _precisions() -> Iterable[str]:
    from clipcli.encoder.encoder import PRECISIONS

    return PRECISIONS


def _backends() -> Iterable[str]:
    from clipcli.encoder.encoder import BACKENDS

    return BACKENDS


def checked_number(value: float | None) -> float | None:
    """Refuse NaN and infinity, which pass every comparison of a range."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to compare with")
    return value


Paths: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS",
        help="Pictures, folders (walked), patterns, or - for standard input: a list, or a picture.",
        show_default=False,
    ),
]
Labels: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "-l",
        metavar="SET",
        help="A label file, labels with commas between them, or a built-in set "
        "(see: clipcli labels list), in English unless the model reads more. Required.",
        callback=own_label_set,
        autocompletion=completing(_label_sets),
    ),
]
ClassLabels: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "-l",
        metavar="SET",
        help="A label set whose names or synonyms cover the classes. Left out: the classes' own "
        "names, made readable.",
        callback=own_label_set,
        autocompletion=completing(_label_sets),
    ),
]
Templates: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--templates",
        "-t",
        metavar="SET",
        help="A template set, a file, or 'a photo of a {}.' Left out: the label set's own, "
        "the model's own, or 'photo'.",
        autocompletion=completing(_template_sets),
    ),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A model's name, folder or file. Left out: $CLIPCLI_MODEL, your default (see: clipcli "
        "models default), or the bundled 'mini'.",
        autocompletion=completing(installed),
    ),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="cpu, cuda, cuda:N or mps. Left out: the fastest that is there.",
        show_default=False,
        autocompletion=completing(_devices),
    ),
]
Precision: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="PRECISION",
        help="fp32, bf16, fp16 or int8. Left out: what is fast there and exact enough.",
        show_default=False,
        autocompletion=completing(_precisions),
    ),
]
Backend: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="BACKEND",
        help="auto, torch, onnx, or openvino (an extra). Left out: what is fast on this processor.",
        show_default=False,
        autocompletion=completing(_backends),
    ),
]
Exact: TypeAlias = Annotated[
    bool,
    typer.Option("--exact", help="Decode large JPEGs in full. Left out: at a reduced scale."),
]
ConvertProfiles: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--convert-profiles",
        help="Convert the colours of pictures with a colour profile to sRGB. Left out: profiles "
        "are ignored, as they were in the models' training.",
    ),
]
MaxPixels: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="MEGAPIXELS",
        help="Skip pictures with more megapixels than this.",
        min=0.0,
        callback=checked_number,
    ),
]
TopK: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--top-k",
        "-k",
        min=1,
        metavar="N",
        help="How many labels to list a picture. Left out: 5, and in TSV and in lists of many "
        "pictures the first.",
        show_default=False,
    ),
]
MinProb: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="PROBABILITY",
        help="Below this probability there is no label.",
        callback=checked_number,
    ),
]
MinProbByMode: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="PROBABILITY",
        help="Below this probability there is no label. Left out: 0; with --independent 0.5.",
        callback=checked_number,
        show_default=False,
    ),
]
Independent: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--independent",
        help="Ask each label by itself, yes or no: a picture may get several, or none. "
        "Left out: the labels compete.",
    ),
]
RejectThreshold: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--reject-threshold",
        metavar="SCORE",
        help="Say 'none of these' where neutral words get more than this share beside the labels: "
        "0 to 1, or 'fitted'. Left out: only reject prompts of the label file count.",
    ),
]
CalibrationFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="The calibration to use. Left out: the label set's own, if one was fitted.",
    ),
]
NoCalibration: TypeAlias = Annotated[
    bool,
    typer.Option("--no-calibration", help="Use no calibration. Left out: one that fits is used."),
]
Splits: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--splits",
        metavar="NAMES",
        help="Top folders that are splits, with commas between them; none if there are none. Left "
        "out: those called train, val, test or the like that hold folders of classes.",
    ),
]
NoRules: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-rules",
        help="Ask the model alone. Left out: labels with a rule, such as screenshot, are given to "
        "files that say so themselves.",
    ),
]
ProbeFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--probe",
        metavar="FILE",
        help="Choose between the classes of a probe (see: clipcli probe fit). Left out: between "
        "--labels.",
    ),
]
Format: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table, tsv, csv, json, jsonl, parquet or html on standard output. Left out: a table "
        "on a terminal, tsv in a pipe, nothing beside -o.",
        autocompletion=completing(_formats),
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="The same as --format json. Left out: see --format.")
]
Outputs: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write a file, in the format of its ending; may be given several times.",
    ),
]
FromFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="LIST", help="Read paths from a file, one a line, besides PATHS."),
]
Null: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="Paths are separated by NUL, in lists and by --paths-only. Left out: by line ends.",
    ),
]
PathsOnly: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--paths-only",
        help="Print nothing but paths, for xargs and the like. Left out: see --format.",
    ),
]
Overwrite: TypeAlias = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace outputs that exist. Left out: refuse."),
]
GuardFormulas: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--guard-formulas",
        help="In CSV, put an apostrophe before text that a spreadsheet would compute. Left out: "
        "text as it is.",
    ),
]
NoCache: TypeAlias = Annotated[
    bool,
    typer.Option("--no-cache", help="Neither read nor write the cache. Left out: use it."),
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="No notes or progress, only results and errors.")
]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell more on standard error.")
]
