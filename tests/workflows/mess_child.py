"""Commands in processes of their own, forked from one that has loaded what they need."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from clipcli import process as interrupts
from clipcli.cli.app import run
from clipcli.encoder import encoder
from tests.fakes import FakeEncoder

LOADED = (
    "tests.workflows.mess_child",
    "clipcli.cli.conclude",
    "clipcli.cli.dedup",
    "clipcli.cli.sort_progress",
    "clipcli.cli.undo",
    "clipcli.images.taken",
    "clipcli.pipeline.classifier",
    "clipcli.pipeline.embed",
    "clipcli.workflows.sorting.plan",
)


def start(arguments: Sequence[object], environment: Mapping[str, str], log: Path) -> BaseProcess:
    """Start a command whose model is plain arithmetic; what it says goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    texts = [str(argument) for argument in arguments]
    child = context.Process(target=_act, args=(texts, dict(environment), str(log)))
    child.start()
    return child


def _act(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (handle, 1), (handle, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as we live
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    encoder.load_encoder = lambda *_: FakeEncoder()  # type: ignore[assignment]
    interrupts.take_over()
    code = run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
