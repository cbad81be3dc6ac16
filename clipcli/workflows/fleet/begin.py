"""The beginning of a run: its plan, made or found, and checked against what was begun before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from clipcli.errors import MissingExtraError
from clipcli.images.find import FindReport
from clipcli.workflows.fleet.plan import FleetPlan, check_same, read_plan, write_plan
from clipcli.workflows.fleet.recipe import Recipe
from clipcli.workflows.fleet.store import PartStore, check_answers, open_store
from clipcli.workflows.fleet.survey import Sources, survey


@dataclass(frozen=True, slots=True)
class EarlyStart:
    """A plan, and where it is carried out."""

    store: PartStore
    plan: FleetPlan
    report: FindReport
    lists: dict[int, list[str]]  # that shards consist of, by their number
    keep: Callable[[], None]  # write the plan down, where it does not stand there as it is
    n_changed: int = 0  # shards whose content is another than in the run before


def open_output(url: str) -> PartStore:
    """Open a place for parts, and find out whether it answers.

    Raises
    ------
    MissingExtraError, UsageError, OutputError, InputError
    """
    require_fleet()
    store = open_store(url)
    check_answers(store)
    return store


def require_fleet() -> None:
    """Make sure that Parquet can be written.

    Raises
    ------
    MissingExtraError
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError(
            "batch needs pyarrow, which is not installed", hint='pip install "clipcli[fleet]"'
        ) from error
    assert pa


def begin(recipe: Recipe, sources: Sources) -> EarlyStart:
    """Make the plan; where one was begun, go on with it or refuse. Nothing is written yet.

    Raises
    ------
    UsageError
        If another plan was begun there, or the place holds something else.
    InputError, OutputError
    """
    store = open_output(recipe.into)
    earlier = read_plan(store)
    if earlier is not None and sources.shard_size is None:
        # A picture more must not divide all of them anew.
        sources = replace(sources, shard_size=earlier.shard_size)
    found = survey(sources, earlier.shards if earlier else ())
    plan = FleetPlan(recipe.facts() | {"shard_size": found.shard_size}, tuple(found.shards))
    n_changed = 0
    if earlier is not None:
        check_same(store, earlier, plan)
        pairs = zip(earlier.shards, plan.shards, strict=True)
        n_changed = sum(before.etag != now.etag for before, now in pairs)

    def keep() -> None:
        if earlier is None or n_changed:
            write_plan(store, plan, found)

    return EarlyStart(store, plan, found.report, found.lists, keep, n_changed)
