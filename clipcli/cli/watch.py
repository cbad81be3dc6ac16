"""``clipcli watch``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.groups import ActionOptions, LabelOptions, ModelOptions, NoteOptions
from clipcli.errors import ExitCode, InputError, UsageError, several

if TYPE_CHECKING:
    from clipcli.pipeline.classifier import Classifier
    from clipcli.pipeline.session import Session
    from clipcli.results import Result
    from clipcli.workflows.journal.filestate import FileState
    from clipcli.workflows.journal.records import Action, Places
    from clipcli.workflows.sorting.continuous import ContinuousSort
    from clipcli.workflows.watch.commands import WatchCommand
    from clipcli.workflows.watch.ledger import Ledger
    from clipcli.workflows.watch.settling import Settled

AT_ONCE = 64  # pictures whose vectors are computed together


@dataclass(frozen=True)
class WatchActions(ActionOptions):
    """What is done with the pictures under --into."""

    copy: Annotated[
        bool, typer.Option("--copy", help="Copy them. Left out: the same, unless another is given.")
    ] = False


def watch(
    labels: LabelOptions,
    actions: WatchActions,
    model: ModelOptions,
    notes: NoteOptions,
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to watch, with all folders in it.")
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="DIR",
            help="Put pictures into folders by their labels there. Left out: --exec is needed.",
            show_default=False,
        ),
    ] = None,
    exec_: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="COMMAND",
            help="Run this for each picture, with {}, {label} and {probability} filled in; without "
            "any of them the path comes last. No shell. Left out: --into is needed.",
            show_default=False,
        ),
    ] = None,
    min_prob: options.MinProb = 0.0,
    unsure: Annotated[
        str, typer.Option(metavar="NAME", help="What pictures are called that get no label.")
    ] = "_unsure",
    settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=3600.0,
            metavar="SECONDS",
            help="How long a file must not have changed before it is read.",
        ),
    ] = 2.0,
    once: Annotated[
        bool,
        typer.Option("--once", help="Deal with what is there and end. Left out: until Ctrl-C."),
    ] = False,
) -> ExitCode:
    """Classify pictures as they come into a folder, each once.

    clipcli watch inbox/ --labels animals --into sorted/ --move
    clipcli watch inbox/ --labels animals --exec 'notify-send {label} {}'

    What was dealt with is remembered: a watch that is started again goes on where it ended.
    `clipcli undo` takes back what it moved or copied.
    """
    from clipcli.cli.open_classifier import open_classifier
    from clipcli.pipeline.decisions import Decisions
    from clipcli.pipeline.inputs import Inputs
    from clipcli.workflows.sorting.foldernames import check_folder_name
    from clipcli.workflows.watch.events import require_watchfiles

    task = _task(source, into, exec_, actions.chosen(), check_folder_name(unsure), settle, once)
    require_watchfiles()
    session = model.session(Inputs((str(source),)), notes)
    classifier = open_classifier(session, labels, Decisions(min_prob))
    return _Watch(task, session, classifier).run()


@dataclass(frozen=True, slots=True)
class _Task:
    """What the options say about the watch itself."""

    source: str  # as the file system knows it: absolute, no link in it
    places: Places | None  # of --into
    action: Action
    command: WatchCommand | None  # of --exec
    purpose: str  # tells one watch over a folder from another
    unsure: str
    settle_s: float
    is_once: bool


def _task(
    source: Path,
    into: Path | None,
    exec_: str | None,
    action: Action | None,
    unsure: str,
    settle_s: float,
    is_once: bool,
) -> _Task:
    from clipcli.workflows.sorting.inputs import check_hard_links, open_places
    from clipcli.workflows.watch.commands import read_command

    if (into is None) == (exec_ is None):
        raise UsageError(
            "--into DIR or --exec COMMAND: one of them is needed, and not both",
            hint=f"clipcli watch {source} --labels animals --into sorted/",
        )
    if into is None:
        if action:
            raise UsageError(f"--{action}: is for --into", hint="leave it out")
        command = read_command(exec_ or "")
        if not source.is_dir():
            raise InputError(f"{source}: no such folder", hint="name the folder to watch")
        real = os.path.realpath(source)
        return _Task(real, None, "copy", command, f"exec {exec_}", unsure, settle_s, is_once)
    places = open_places(source, into)
    if action == "hardlink":
        check_hard_links(places)
    purpose = f"into {places.into}"
    return _Task(places.source, places, action or "copy", None, purpose, unsure, settle_s, is_once)


@dataclass
class _Watch:
    """A watch that runs: what it was told, what it uses, what it has done."""

    task: _Task
    session: Session
    classifier: Classifier
    n_done: int = 0
    n_failed: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    def run(self) -> ExitCode:
        """Deal with pictures until Ctrl-C, or until all that were there are done."""
        from clipcli.cli.conclude import note_labels
        from clipcli.workflows.journal.journal import journal_folder
        from clipcli.workflows.watch.events import changes_in
        from clipcli.workflows.watch.ledger import open_ledger
        from clipcli.workflows.watch.settling import Settling, WatchedFolder, settled

        task, say = self.task, self.session.notes.say
        folder = WatchedFolder(task.source, task.places.into if task.places else None)
        state = journal_folder().parent / "watches"
        with open_ledger(state, task.source, task.purpose) as ledger, self._stack:
            self._go_on(ledger)
            sort = self._sort(ledger)
            settling = Settling(task.settle_s, ledger.knows)
            ending = "until what is there is done" if task.is_once else "until Ctrl-C"
            say(f"watching {task.source} {ending}")
            try:
                wakes = changes_in(task.source)
                for files in settled(folder, settling, wakes, once=task.is_once):
                    for start in range(0, len(files), AT_ONCE):
                        self._deal_with(files[start : start + AT_ONCE], ledger, sort)
            finally:
                self._tell_end()
        if self.session.n_ok:
            note_labels(self.session, self.classifier)
        return ExitCode.SKIPPED if self.n_failed else ExitCode.DONE

    def _go_on(self, ledger: Ledger) -> None:
        """Clear up where an earlier watch ended in the middle of something."""
        from clipcli.workflows.sorting.continuous import finish_interrupted

        if ledger.journal is not None:
            finish_interrupted(Path(ledger.journal))
        for key, path in ledger.uncertain.items():
            self.session.notes.say(
                f"{path}: its command was running when the watch ended; it is not run again"
            )
            ledger.write("done", key, path)

    def _sort(self, ledger: Ledger) -> ContinuousSort | None:
        from clipcli.workflows.sorting.continuous import ContinuousSort
        from clipcli.workflows.sorting.foldernames import folder_names
        from clipcli.workflows.sorting.plan import Rules

        task = self.task
        if task.places is None:
            return None

        def note_journal(path: Path) -> None:
            ledger.write("journal", str(path))
            self.session.notes.say(f"journal: {path}")

        names = folder_names(self.classifier.label_set.names, task.unsure)
        sort = ContinuousSort(
            task.places, Rules(names, task.unsure), task.action, note_journal=note_journal
        )
        return self._stack.enter_context(sort)

    def _deal_with(self, files: list[Settled], ledger: Ledger, sort: ContinuousSort | None) -> None:
        keys = {self._relative(file.path): file.key for file in files}
        states = sort.states(tuple(keys)) if sort else {}
        results = {self._relative(result.path): result for result in self._classified(files)}
        if sort is None:
            self._run_commands(results, keys, ledger)
        else:
            self._place(sort, results, states)
        for path, key in keys.items():
            # A file that was written to meanwhile has another key by now, and comes again.
            if not ledger.knows(key):
                ledger.write("done", key, path, is_urgent=False)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.task.source)

    def _classified(self, files: list[Settled]) -> Iterator[Result]:
        from clipcli.images.find import ImageFile
        from clipcli.results import Skipped

        entries = self.session.embedded(ImageFile(file.path) for file in files)
        for entry in self.session.tally(entries):
            yield entry if isinstance(entry, Skipped) else self.classifier.score([entry])[0]

    def _place(
        self, sort: ContinuousSort, results: dict[str, Result], states: dict[str, FileState]
    ) -> None:
        from clipcli.output.text import print_rows
        from clipcli.workflows.sorting.execute import Placed

        for outcome in sort.put(list(results.items()), states):
            if isinstance(outcome, Placed):
                self.n_done += 1
                print_rows([(outcome.path, outcome.target)])
            else:
                self.n_failed += 1
                self.session.notes.say(f"left {outcome.path}: {outcome.reason}")

    def _run_commands(
        self, results: dict[str, Result], keys: dict[str, str], ledger: Ledger
    ) -> None:
        from clipcli.output.text import print_rows
        from clipcli.results import Skipped

        command = self.task.command
        assert command is not None
        for path, result in results.items():
            if isinstance(result, Skipped):
                self.n_failed += 1
                continue
            ledger.write("begun", keys[path], path)
            label = result.label or self.task.unsure
            print_rows([(path, label)])
            whole = str(Path(self.task.source, path))
            problem = command.run(whole, label, result.probability)
            ledger.write("done", keys[path], path)
            self.n_done += not problem
            if problem:
                self.n_failed += 1
                self.session.notes.say(f"{path}: the command {problem}")

    def _tell_end(self) -> None:
        did = {"move": "moved", "copy": "copied", "link": "linked", "hardlink": "linked"}
        verb = did[self.task.action] if self.task.places else "passed on"
        failed = f", {self.n_failed:,} left" if self.n_failed else ""
        self.session.notes.say(f"{several(self.n_done, 'picture')} {verb}{failed}")
