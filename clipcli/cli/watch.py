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
from clipcli.cli.placing import MIN_PROB, PlacingOptions
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

UNSURE = "_unsure"  # what a program of --exec is told in place of a label
AT_ONCE = 64  # pictures whose vectors are computed together


@dataclass
class WatchActions(ActionOptions):
    """What is done with the pictures under --into."""

    copy: Annotated[
        bool, typer.Option("--copy", help="Copy them. Left out: the same, unless another is given.")
    ] = False


def watch(
    labels: LabelOptions,
    actions: WatchActions,
    placing: PlacingOptions,
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
    min_prob: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="PROBABILITY",
            help="Below this probability there is no label. Left out: 0.5 with --into, 0 with "
            "--exec.",
            callback=options.checked_number,
            show_default=False,
        ),
    ] = None,
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
    from clipcli.workflows.watch.events import require_watchfiles

    placing.check()
    task = _task(source, into, exec_, actions.chosen(), placing, settle, once)
    require_watchfiles()
    session = model.session(Inputs((str(source),)), notes)
    if min_prob is None:
        min_prob = MIN_PROB if into is not None else 0.0
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
    placing: PlacingOptions
    settle_s: float
    is_once: bool


def _task(
    source: Path,
    into: Path | None,
    exec_: str | None,
    action: Action | None,
    placing: PlacingOptions,
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
        placing.refuse_all("is for --into")
        command = read_command(exec_ or "")
        if not source.is_dir():
            raise InputError(f"{source}: no such folder", hint="name the folder to watch")
        real = os.path.realpath(source)
        return _Task(real, None, "copy", command, f"exec {exec_}", placing, settle_s, is_once)
    places = open_places(source, into)
    if action == "hardlink":
        check_hard_links(places)
    purpose = f"into {places.into}"
    return _Task(places.source, places, action or "copy", None, purpose, placing, settle_s, is_once)


@dataclass
class _Watch:
    """A watch that runs: what it was told, what it uses, what it has done."""

    task: _Task
    session: Session
    classifier: Classifier
    n_done: int = 0
    n_along: int = 0  # companions
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
            with_companions = sort is not None and not task.placing.no_companions
            settling = Settling(task.settle_s, ledger.knows, with_companions=with_companions)
            ending = "until what is there is done" if task.is_once else "until Ctrl-C"
            say(f"watching {task.source} {ending}")
            try:
                wakes = changes_in(task.source)
                for files in settled(folder, settling, wakes, once=task.is_once):
                    for start in range(0, len(files), AT_ONCE):
                        self._deal_with(files[start : start + AT_ONCE], ledger, sort)
            finally:
                self._tell_end(sort)
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

        task = self.task
        if task.places is None:
            return None

        def note_journal(path: Path) -> None:
            ledger.write("journal", str(path))
            self.session.notes.say(f"journal: {path}")

        rules = task.placing.rules(self.classifier.label_set.names)
        sort = ContinuousSort(task.places, rules, task.action, note_journal=note_journal)
        return self._stack.enter_context(sort)

    def _deal_with(self, files: list[Settled], ledger: Ledger, sort: ContinuousSort | None) -> None:
        keys = {self._relative(file.path): file.key for file in files}
        states = sort.states(tuple(keys)) if sort else {}
        results = {self._relative(result.path): result for result in self._classified(files)}
        if sort is None:
            self._run_commands(results, keys, ledger)
        else:
            followers = [self._relative(path) for file in files for path in file.followers]
            self._place(sort, results, states, followers)
        for path, key in keys.items():
            # A file that was written to meanwhile has another key by now, and comes again.
            if ledger.knows(key):
                continue
            if self._is_barred(path):
                ledger.put_aside(key)
            else:
                ledger.write("done", key, path, is_urgent=False)

    def _is_barred(self, path: str) -> bool:
        """Tell whether permissions alone kept a file; the next watch tries it again."""
        whole = Path(self.task.source, path)
        if not os.path.lexists(whole):  # it was moved
            return False
        is_to_move = self.task.places is not None and self.task.action == "move"
        is_kept = is_to_move and not os.access(whole.parent, os.W_OK)
        return is_kept or not os.access(whole, os.R_OK)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.task.source)

    def _classified(self, files: list[Settled]) -> Iterator[Result]:
        from clipcli.images.find import ImageFile
        from clipcli.results import Skipped

        entries = self.session.embedded(ImageFile(file.path) for file in files)
        for entry in self.session.tally(entries):
            yield entry if isinstance(entry, Skipped) else self.classifier.score([entry])[0]

    def _place(
        self,
        sort: ContinuousSort,
        results: dict[str, Result],
        states: dict[str, FileState],
        followers: list[str],
    ) -> None:
        from clipcli.output.text import print_rows
        from clipcli.workflows.sorting.execute import Placed

        for outcome in sort.put(list(results.items()), states, followers):
            if isinstance(outcome, Placed):
                self.n_done += outcome.path in results
                self.n_along += outcome.path not in results
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
            label = result.label or self.task.placing.unsure or UNSURE
            print_rows([(path, label)])
            whole = str(Path(self.task.source, path))
            problem = command.run(whole, label, result.probability)
            ledger.write("done", keys[path], path)
            self.n_done += not problem
            if problem:
                self.n_failed += 1
                self.session.notes.say(f"{path}: the command {problem}")

    def _tell_end(self, sort: ContinuousSort | None) -> None:
        did = {"move": "moved", "copy": "copied", "link": "linked", "hardlink": "linked"}
        verb = did[self.task.action] if self.task.places else "passed on"
        failed = f", {self.n_failed:,} left" if self.n_failed else ""
        along = f" with {several(self.n_along, 'companion')}" if self.n_along else ""
        unsure = f", {sort.n_unsure:,} unsure left in place" if sort and sort.n_unsure else ""
        self.session.notes.say(f"{several(self.n_done, 'picture')}{along} {verb}{unsure}{failed}")
