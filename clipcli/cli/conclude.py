"""What a run says about itself: prompts, caches, skips, times, and its exit code."""

from __future__ import annotations

import contextlib
from datetime import date
from textwrap import shorten
from typing import TYPE_CHECKING

from clipcli.errors import ClipcliError, ExitCode, InputError, several
from clipcli.files import open_regular
from clipcli.images.left_out import in_words
from clipcli.pipeline.session import ALIKE_SHOWN, Session

if TYPE_CHECKING:
    from clipcli.output.request import OutputRequest
    from clipcli.pipeline.classifier import Classifier

GOING_ON = "going on without the cache"
REASONS_SHOWN = 5  # for which inputs were skipped
PROMPTS_SHOWN = 5  # that were too long for the model
PROMPT_CHARACTERS = 80  # shown of each
UNCHOSEN = (
    "the small bundled model served{how_good}; for better answers: `clipcli models pull ViT-B/32`, "
    "then `clipcli models default ViT-B/32` (or keep it: `clipcli models default mini`)"
)


def note_labels(session: Session, classifier: Classifier) -> None:
    """Say what the user would want to know about prompts and the cache of label rows."""
    notes = session.notes
    limit = classifier.encoder.config.architecture.text.context_length
    for cut in classifier.cut_prompts[:PROMPTS_SHOWN]:
        prompt = shorten(cut.prompt, PROMPT_CHARACTERS, placeholder=" …")
        notes.say(f"prompt {prompt!r} has {cut.n_tokens} tokens; the model reads the first {limit}")
    if len(classifier.cut_prompts) > PROMPTS_SHOWN:
        notes.say(f"{len(classifier.cut_prompts):,} prompts were cut in all")
    _note_language(session, classifier)
    note_cache(session, classifier.cache.problem)
    n_labels, n_encoded = len(classifier.classifier), classifier.n_encoded
    notes.detail(
        f"{several(n_labels, 'label')}: {n_encoded:,} encoded, "
        f"{n_labels - n_encoded:,} from the cache"
    )


def _note_language(session: Session, classifier: Classifier) -> None:
    """Say which labels the model cannot read: its answers are as confident as ever."""
    from clipcli.labels.language import NOT_LATIN, foreign_labels
    from clipcli.models.config import ENGLISH, languages_of

    config = classifier.encoder.config
    if classifier.probe is not None or languages_of(config.architecture.text.vocab_size) != ENGLISH:
        return
    language, names = foreign_labels(classifier.label_set.names)
    if names:
        shown = shorten(", ".join(names), PROMPT_CHARACTERS, placeholder=" …")
        are = "is" if len(names) == 1 else "are"
        what = language if language == NOT_LATIN else f"perhaps {language}"
        session.notes.say(
            f"{several(len(names), 'label')} {are} {what} ({shown}); the model {config.name} "
            "reads English: translate them, or its answers are guesses"
        )


def conclude(session: Session, classifier: Classifier | None = None) -> ExitCode:
    """Say what was left out and how it went, and return the exit code.

    Raises
    ------
    InputError
        If no picture could be read.
    """
    notes = session.notes
    if classifier is not None and session.n_ok:
        note_labels(session, classifier)
    code = conclude_inputs(session)
    if session.encoder.is_loaded and session.encoder.note:
        notes.say(session.encoder.note)
    note_cache(session, session.image_cache.problem)
    if session.model.is_default() and is_first_today(without_cache=session.model.no_cache):
        notes.say(UNCHOSEN.format(how_good=_how_good(classifier)))
    _note_details(session)
    return code


def _how_good(classifier: Classifier | None) -> str:
    """Say what to expect of the bundled model with a built-in set, where that was measured."""
    from clipcli.models.accuracy import known_accuracy

    known = known_accuracy().get(classifier.label_set.name) if classifier else None
    return f" (with {classifier.label_set.name} {known.in_words()})" if classifier and known else ""


def note_incomplete(session: Session) -> None:
    """Say which vectors are of a run that ended early."""
    for name, why in session.report.incomplete.items():
        session.notes.say(f"{name} is not complete: {why}")


def conclude_inputs(session: Session) -> ExitCode:
    """Say what was left out, and return the exit code, whatever looked at the pictures.

    Raises
    ------
    InputError
        If no picture could be read.
    """
    _note_skipped(session, session.n_ok + session.n_skipped)
    if session.report.ignored:
        left_out = in_words(session.report.left_out)
        session.notes.say(f"{left_out}; no picture by ending or content")
    _note_links(session)
    note_incomplete(session)
    if not session.n_ok:
        raise InputError(f"{session.inputs.in_words()}: no picture could be read")
    return ExitCode.SKIPPED if session.n_skipped else ExitCode.DONE


def _note_skipped(session: Session, n_inputs: int) -> None:
    """Say how many inputs were skipped for which reasons, where not all were named."""
    if session.n_skipped <= session.n_reported or session.n_skipped <= ALIKE_SHOWN:
        return
    common = session.reasons.most_common(REASONS_SHOWN)
    reasons = "; ".join(f"{n:,} {reason}" for reason, n in common)
    n_others = len(session.reasons) - len(common)
    more = f"; {several(n_others, 'more reason')}" if n_others > 0 else ""
    session.notes.say(f"{session.n_skipped:,} of {n_inputs:,} inputs were skipped: {reasons}{more}")


def note_files(session: Session, request: OutputRequest, what: str = "") -> None:
    """Name the files that were written, for somebody who watches."""
    from clipcli.output.summary import written

    # A PNG of nothing is none.
    files = [(path, name) for path, name in request.files if path.exists()]
    session.notes.summary(written(files, what))


def is_first_today(*, without_cache: bool) -> bool:
    """Tell whether this version has not yet given its advice today; it is noted in the cache."""
    from clipcli.cache.text_cache import default_folder
    from clipcli.version import __version__

    stamp = f"{__version__} {date.today().isoformat()}"  # noqa: DTZ011 - the user's own day
    folder = default_folder()
    if folder is None:
        return True
    path = folder / "advice.txt"
    try:
        with open_regular(path) as file:
            if file.read(len(stamp) + 1) == stamp.encode("ascii"):
                return False
    except (OSError, ValueError):
        pass
    if not without_cache:
        with contextlib.suppress(OSError):
            path.write_text(stamp, encoding="utf-8")
    return True


def note_cache(session: Session, problem: str | None) -> None:
    """Say what is wrong with a cache; a folder that neither cache can use is said once."""
    if problem and not (session.goes_without_cache and problem.endswith(GOING_ON)):
        session.notes.say(f"cache: {problem}")
        session.goes_without_cache = problem.endswith(GOING_ON)


def _note_details(session: Session) -> None:
    """Say, to those who asked for it, what ran where and how long it took."""
    encoder, config = session.encoder, session.encoder.config
    n, total_s = session.n_ok + session.n_skipped, encoder.total_s
    # Labels are encoded on the side, so their seconds are others' too.
    rest_s = max(0.0, total_s - encoder.loading_s - encoder.images_s)
    phases = {
        "waiting for the model": encoder.loading_s,
        "encoding labels": encoder.texts_s,
        "encoding pictures": encoder.images_s,
        "finding, decoding and writing": rest_s,
    }
    say = session.notes.detail
    say(f"model {config.name}, fingerprint {config.fingerprint[:12]}")
    if encoder.is_loaded:
        say(f"ran on {encoder.device} in {encoder.precision}")
    else:
        say(f"no model was loaded, all is from the cache, in {session.image_cache.precision}")
    say(f"{several(n, 'input')} in {total_s:.2f} s, {n / total_s:.1f} a second")
    say(", ".join(f"{seconds:.2f} s {phase}" for phase, seconds in phases.items()))


def _note_links(session: Session) -> None:
    """Say which inputs have no record of their own, and which folders were not entered."""
    report, notes = session.report, session.notes
    if report.repeated:
        paths = several(report.repeated, "path")
        notes.say(f"{paths} named a picture again; a picture has one record")
    if report.n_linked_folders:
        folders = several(report.n_linked_folders, "linked folder")
        n_more = report.n_linked_folders - len(report.linked_folders)
        more = f" and {n_more:,} more" if n_more else ""
        were = "was" if report.n_linked_folders == 1 else "were"
        named = ", ".join(report.linked_folders)
        it = "it" if report.n_linked_folders == 1 else "them"
        notes.say(f"{folders} {were} not entered: {named}{more}; name {it} to include {it}")


def reason_of(error: BaseException) -> str:
    """Say, for the output files, why a run ended early."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, BrokenPipeError):
        return "standard output was closed"
    return error.message if isinstance(error, ClipcliError) else f"{type(error).__name__}: {error}"
