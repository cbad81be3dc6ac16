"""The groups of options that commands share, and what each makes of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.cli import options
from clipcli.errors import UsageError

if TYPE_CHECKING:
    from clipcli.cli.progress import Notes
    from clipcli.images.find import FindReport
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.inputs import Inputs
    from clipcli.pipeline.model_settings import ModelSettings, OpenedModel
    from clipcli.pipeline.session import Session
    from clipcli.workflows.journal.records import Action


@dataclass
class PathOptions:
    """Which pictures a command reads."""

    HEADING: ClassVar = "Inputs"
    paths: options.Paths = None
    from_file: options.FromFile = None
    null: options.Null = False

    def inputs(self) -> Inputs:
        """Return them as a session's inputs."""
        from clipcli.pipeline.inputs import Inputs

        return Inputs(tuple(self.paths or ()), self.from_file, self.null)


@dataclass
class LabelOptions:
    """What a command chooses from."""

    HEADING: ClassVar = "Labels"
    labels: options.Labels = None
    templates: options.Templates = None
    no_rules: options.NoRules = False
    probe: options.ProbeFile = None


@dataclass
class ClassLabelOptions:
    """Words for the classes of a data set."""

    HEADING: ClassVar = "Labels"
    labels: options.ClassLabels = None
    templates: options.Templates = None


@dataclass
class DecisionOptions:
    """When a label is given, and when none is."""

    HEADING: ClassVar = "Decision"
    top_k: options.TopK = None
    min_prob: options.MinProbByMode = None
    independent: options.Independent = False
    reject_threshold: options.RejectThreshold = None
    calibration: options.CalibrationFile = None
    no_calibration: options.NoCalibration = False

    def decisions(self) -> Decisions:
        """Return them as rules that were checked.

        Raises
        ------
        UsageError
        """
        from clipcli.pipeline.decisions import Decisions

        return Decisions(
            self.min_prob,
            self.reject_threshold,
            self.independent,
            self.calibration,
            self.no_calibration,
        )


@dataclass
class ActionOptions:
    """What is done with files."""

    HEADING: ClassVar = "Action"
    move: Annotated[bool, typer.Option("--move", help="Move the pictures.")] = False
    copy: Annotated[bool, typer.Option("--copy", help="Copy them.")] = False
    link: Annotated[bool, typer.Option("--link", help="Make symbolic links to them.")] = False
    hardlink: Annotated[bool, typer.Option("--hardlink", help="Make hard links to them.")] = False

    def chosen(self) -> Action | None:
        """Return the one that was asked for.

        Raises
        ------
        UsageError
            If there are several.
        """
        wanted: dict[Action, bool] = {
            "move": self.move,
            "copy": self.copy,
            "link": self.link,
            "hardlink": self.hardlink,
        }
        chosen = [action for action, is_wanted in wanted.items() if is_wanted]
        if len(chosen) > 1:
            raise UsageError(
                f"--{chosen[0]} and --{chosen[1]}: only one of them can be done",
                hint="one of --move, --copy, --link, --hardlink",
            )
        return chosen[0] if chosen else None


@dataclass
class NoteOptions:
    """How much is said on standard error."""

    HEADING: ClassVar = "Messages"
    quiet: options.Quiet = False
    verbose: options.Verbose = False

    def notes(self) -> Notes:
        """Return what prints notes and progress."""
        from clipcli.cli.progress import Notes

        return Notes(quiet=self.quiet, verbose=self.verbose)


@dataclass
class UncachedModelOptions:
    """Which model runs, and how, where nothing is kept of earlier runs."""

    HEADING: ClassVar = "Model"
    model: options.Model = None
    device: options.Device = "auto"
    precision: options.Precision = "auto"
    backend: options.Backend = "auto"
    exact: options.Exact = False
    convert_profiles: options.ConvertProfiles = False
    max_pixels: options.MaxPixels = 200.0

    def begin(self, paths: Sequence[str] | None) -> OpenedModel | None:
        """Begin to load the model, where its pictures are files: an archive may hold vectors."""
        from clipcli.pipeline.source_names import is_source

        return None if not paths or any(map(is_source, paths)) else self.options().begin()

    def session(
        self,
        inputs: Inputs,
        notes: NoteOptions,
        report: FindReport | None = None,
        begun: OpenedModel | None = None,
    ) -> Session:
        """Return a session over inputs with this model, which may have been begun with."""
        from clipcli.images.find import FindReport
        from clipcli.pipeline.session import Session

        return Session(inputs, self.options(), notes.notes(), report or FindReport(), begun)

    def options(self) -> ModelSettings:
        """Return them as a session takes them."""
        from clipcli.pipeline.model_settings import ModelSettings

        return ModelSettings(
            model=self.model,
            device=self.device,
            precision=self.precision,
            exact=self.exact,
            max_megapixels=self.max_pixels,
            no_cache=self.is_uncached(),
            backend=self.backend,
            convert_profiles=self.convert_profiles,
        )

    def is_uncached(self) -> bool:
        """Whether vectors and label rows are neither read from the cache nor kept there."""
        return True


@dataclass
class ModelOptions(UncachedModelOptions):
    """Which model runs, and how."""

    no_cache: options.NoCache = False

    def is_uncached(self) -> bool:
        """Whether that was asked for."""
        return self.no_cache


@dataclass
class FileOptions:
    """Which files are written, each in the format of its ending."""

    HEADING: ClassVar = "Output"
    output: options.Outputs = None
    overwrite: options.Overwrite = False

    def request(self, formats: tuple[str, ...]) -> OutputRequest:
        """Return them as a request that was checked against the formats that there are.

        Raises
        ------
        UsageError, OutputError, OutputExistsError, MissingExtraError
        """
        from clipcli.output.request import requested

        return requested(None, self.output, formats, overwrite=self.overwrite)


@dataclass
class OutputOptions:
    """Where results go, and in which format."""

    HEADING: ClassVar = "Output"
    format: options.Format = None
    as_json: options.AsJson = False
    output: options.Outputs = None
    overwrite: options.Overwrite = False

    def request(
        self,
        formats: tuple[str, ...],
        *,
        is_guarded: bool = False,
        tables: Sequence[tuple[Path, str]] = (),
    ) -> OutputRequest:
        """Return them as a request that was checked against the formats that there are.

        Raises
        ------
        UsageError, OutputError, OutputExistsError, MissingExtraError
        """
        from clipcli.output.request import requested

        return requested(
            self._chosen(),
            self.output,
            formats,
            overwrite=self.overwrite,
            is_guarded=is_guarded,
            tables=tables,
        )

    def paths_request(
        self, formats: tuple[str, ...], *, paths_only: bool, null: bool, is_guarded: bool = False
    ) -> OutputRequest:
        """Return them as :meth:`request` does, with nothing but paths on standard output, if asked.

        Raises
        ------
        UsageError, OutputError, OutputExistsError, MissingExtraError
        """
        request = self.request(formats, is_guarded=is_guarded)
        if paths_only and self._chosen() is not None:
            raise UsageError(f"--paths-only and --format {self._chosen()}: choose one of them")
        return request.with_paths(null=null) if paths_only else request

    def _chosen(self) -> str | None:
        if self.as_json and self.format not in (None, "json"):
            raise UsageError(f"--json and --format {self.format}: choose one of them")
        return "json" if self.as_json else self.format


@dataclass
class ResultOutput(OutputOptions):
    """Where results go that may be meant for a spreadsheet."""

    guard_formulas: options.GuardFormulas = False

    def guarded_request(self, formats: tuple[str, ...]) -> OutputRequest:
        """Return a request whose CSV holds nothing that a spreadsheet would compute, if asked."""
        return self.request(formats, is_guarded=self.guard_formulas)


@dataclass
class FindingsOutput(ResultOutput):
    """Where findings in a data set go."""

    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table (a summary), tsv, csv, json, jsonl or html on standard output. Left out: "
            "the summary on a terminal, tsv in a pipe, nothing beside -o.",
        ),
    ] = None
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write all findings in the format of the ending; .html is a report to look at. "
            "May be given several times.",
        ),
    ] = None
