"""Where pictures go, and what goes along: the options that ``sort`` and ``watch`` share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clipcli.errors import UsageError

if TYPE_CHECKING:
    from clipcli.workflows.sorting.rules import Rules

# A label that is less likely than all others together moves no file. Of the built-in set `kinds`,
# on photographs and screenshots of all sorts, this places four in five; see docs/sort.md.
MIN_PROB = 0.5


@dataclass
class PlacingOptions:
    """Which folder, which name, and what goes along."""

    HEADING: ClassVar = "Folders and names"
    unsure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The folder for pictures that no label was sure for, with their own folders in "
            "it. Left out: they stay where they are.",
            show_default=False,
        ),
    ] = None
    by: Annotated[
        str,
        typer.Option(
            metavar="ORDER",
            help="label, label/year or year/label: which folders lie in which. The year is that "
            "of the EXIF date; 'undated' without one.",
        ),
    ] = "label"
    keep_folders: Annotated[
        bool,
        typer.Option(
            "--keep-folders",
            help="Keep the folders of SOURCE below the label. Left out: pictures of a label lie in "
            "one folder.",
        ),
    ] = False
    rename: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Name files by {name}, {label}, {date}, {time}, {year}, {month} and {day}, such "
            "as '{date}_{label}_{name}'; without a date they keep their names. Left out: all do.",
            show_default=False,
        ),
    ] = None
    no_companions: Annotated[
        bool,
        typer.Option(
            "--no-companions",
            help="Sort each picture by itself. Left out: raw photographs, videos and sidecars of "
            "its name (.xmp, .aae, .json and the like) go along.",
        ),
    ] = False

    def check(self) -> None:
        """Refuse what is no folder's name, no order or no pattern.

        Raises
        ------
        UsageError
        """
        self.rules(())

    def rules(self, labels: tuple[str, ...], *, margin: float = 0.0) -> Rules:
        """Return where the pictures of each label go.

        Raises
        ------
        UsageError
        """
        from clipcli.workflows.sorting.foldernames import check_folder_name, folder_names
        from clipcli.workflows.sorting.pattern import read_pattern
        from clipcli.workflows.sorting.rules import Rules, check_by

        unsure = None if self.unsure is None else check_folder_name(self.unsure)
        return Rules(
            folder_names(labels, unsure),
            unsure,
            margin,
            check_by(self.by),
            self.keep_folders,
            None if self.rename is None else read_pattern(self.rename),
        )

    def refuse_all(self, reason: str) -> None:
        """Refuse every option that was given, but ``--unsure``.

        Raises
        ------
        UsageError
        """
        for field in fields(self):
            if field.name != "unsure" and getattr(self, field.name) != field.default:
                raise UsageError(f"--{field.name.replace('_', '-')}: {reason}", hint="leave it out")
