"""Carrying out a batch: the plan, the run, and what is said of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from clipcli.cli.pace import Pace
from clipcli.errors import ExitCode, several
from clipcli.images.left_out import in_words

if TYPE_CHECKING:
    from clipcli.pipeline.archives import TableColumns
    from clipcli.pipeline.session import Reporter, Session
    from clipcli.workflows.fleet.crew import Crew
    from clipcli.workflows.fleet.progress import FleetBudget, Tally
    from clipcli.workflows.fleet.recipe import BoxQuestion, LabelQuestion, Recipe, Task
    from clipcli.workflows.fleet.runner import Runner
    from clipcli.workflows.fleet.survey import Sources

EVERY_S = 15.0  # a line: logs of clusters are read later, and have no cursor to move


@dataclass
class BatchRequest:
    """What a batch command was asked, besides the model and the labels."""

    task: Task
    into: str
    sources: Sources
    columns: TableColumns
    budget: FleetBudget
    crew: Crew


def run_batch(
    session: Session,
    asked: BatchRequest,
    question: LabelQuestion | BoxQuestion | None,
    fingerprint: str,
    *,
    is_dry: bool,
) -> ExitCode:
    """Plan, do what is left, and say how it went.

    Raises
    ------
    ClipcliError
    """
    from clipcli.workflows.fleet.begin import begin
    from clipcli.workflows.fleet.run import FleetRun

    recipe, notes = _recipe(session, asked, question, fingerprint), session.notes
    begun = begin(recipe, asked.sources)
    if begun.report.ignored:
        notes.say(f"{in_words(begun.report.left_out)}; no picture by ending or content")
    if begun.n_changed:
        notes.say(f"{several(begun.n_changed, 'shard')} changed since the last run: done again")
    if is_dry:
        from clipcli.workflows.fleet.estimate import estimate
        from clipcli.workflows.fleet.worker import Worker

        found = estimate(begun, Worker(recipe, begun.plan.hash))
        typer.echo(
            "\n".join(found.lines(max(asked.crew.wishes.least, asked.crew.wishes.most or 1)))
        )
        return ExitCode.DONE
    run = FleetRun(
        begun.store, begun.plan, asked.budget, notes.say, _ProgressLines(notes, begun.plan.n_units)
    )
    tally = run.do(lambda: asked.crew.runner(recipe, begun.plan.hash, notes.say), begun.keep)
    return _conclude(notes, tally)


def _recipe(
    session: Session,
    asked: BatchRequest,
    question: LabelQuestion | BoxQuestion | None,
    fingerprint: str,
) -> Recipe:
    from clipcli.models.resolve import chosen_model
    from clipcli.workflows.fleet.recipe import Recipe

    # Other machines have no settings of this user's: what serves here is named.
    model = replace(session.model, model=chosen_model(session.model.model).spec, no_cache=True)
    return Recipe(asked.task, model, fingerprint, asked.into, asked.columns, question)


class _ProgressLines:
    """Says now and then how it goes."""

    def __init__(self, notes: Reporter, n_units: int) -> None:
        self._notes, self._n_units = notes, n_units
        self._pace, self._said = Pace(), time.monotonic()

    def __call__(self, tally: Tally, runner: Runner) -> None:
        n_new = max(runner.n_pictures(), tally.n_new)
        self._pace.note(n_new)
        if time.monotonic() - self._said < EVERY_S:
            return
        self._said = time.monotonic()
        self._notes.say(progress_line(tally, n_new, self._n_units, self._pace, runner.n_working()))


def progress_line(tally: Tally, n_new: int, n_units: int, pace: Pace, n_workers: int) -> str:
    """Say how far a run is, how fast it goes, and what went wrong."""
    n_before = tally.n_rows - tally.n_new
    parts = [
        f"{tally.n_done:,} of {several(tally.n_shards, 'shard')}",
        several(n_before + n_new, "picture"),
    ]
    rate = pace.per_s()
    if rate:
        parts.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        n_left = n_units - n_before - n_new
        if n_left > 0:
            minutes, seconds = divmod(round(n_left / rate), 60)
            hours, minutes = divmod(minutes, 60)
            parts.append(f"{hours}:{minutes:02}:{seconds:02} left")
    parts.append(several(n_workers, "worker"))
    parts += [f"{tally.n_skipped:,} skipped"] * bool(tally.n_skipped)
    parts += [f"{tally.n_retried:,} retried"] * bool(tally.n_retried)
    parts += [f"{len(tally.failed):,} failed"] * bool(tally.failed)
    return ", ".join(parts)


def _conclude(notes: Reporter, tally: Tally) -> ExitCode:
    if tally.n_kept:
        notes.say(f"{several(tally.n_kept, 'shard')} of {tally.n_shards:,} had been done before")
    common = "; ".join(f"{n:,} {reason}" for reason, n in tally.reasons.most_common(3))
    skipped = f", {tally.n_skipped:,} skipped" if tally.n_skipped else ""
    notes.say(
        f"{several(tally.n_done, 'shard')} done, {several(tally.n_rows, 'row')}{skipped}"
        + (f" ({common})" if common else "")
    )
    if tally.n_left_out:
        notes.say(f"{several(tally.n_left_out, 'member')} of tars left out: no pictures")
    return ExitCode.SKIPPED if tally.n_skipped or tally.failed else ExitCode.DONE
