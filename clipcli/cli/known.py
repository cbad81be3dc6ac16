"""The option that names what somebody has decided already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:
    from clipcli.pipeline.known_answers import KnownAnswers


@dataclass
class KnownOptions:
    """What somebody has decided already."""

    HEADING: ClassVar = "Decision"
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            metavar="FILE",
            help="What a review on a page decided (decisions.jsonl) wins over the model's answers, "
            "found again by content. Left out: the model answers.",
        ),
    ] = None

    def known(self) -> KnownAnswers | None:
        """Read the file of decisions, if one was named.

        Raises
        ------
        DecisionsError
        """
        if self.decisions is None:
            return None
        from clipcli.pipeline.known_answers import open_known

        return open_known(self.decisions)


@dataclass
class DecidedOptions:
    """Pictures whose classes somebody decided, whatever folders they are in."""

    HEADING: ClassVar = "Inputs"
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            metavar="FILE",
            help="The pictures in DIR that a review gave a label (decisions.jsonl), whatever "
            "folders they are in. Left out: all, by their folders.",
        ),
    ] = None

    def decided(self, splits: str | None) -> KnownAnswers | None:
        """Read the file of decisions, if one was named.

        Raises
        ------
        DecisionsError, UsageError
        """
        from clipcli.errors import UsageError
        from clipcli.pipeline.known_answers import open_known

        if self.decisions is not None and splits is not None:
            raise UsageError("--splits and --decisions: decisions have no splits", hint="drop one")
        return open_known(self.decisions)
