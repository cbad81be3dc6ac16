"""Pulling a model from the hub: which files, whether they fit, what is noted.

What ``huggingface_hub`` respects is respected: ``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``,
``HF_TOKEN`` and the token on the disk. Files stay in its cache, where its other users find them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from logging import ERROR
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.files import read_regular
from clipcli.models.catalog.catalog import CatalogEntry, find_entry, suggest
from clipcli.models.catalog.entry import Layout, wanted_files
from clipcli.models.config import Activation
from clipcli.models.formats.tensor_map import read_shard_index
from clipcli.models.hub.download import (
    HubFile,
    fetch,
    find_cached,
    note_newest,
    partial_bytes,
    repository_folder,
)
from clipcli.models.hub.errors import in_words
from clipcli.models.hub.listing import COMMIT, Listing, ask_for_listing
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource
from clipcli.models.store import Installed, check_name, free_bytes, install_pointer, prepare_store
from clipcli.models.store_pointer import INDEX_ENDING, Pointer, PulledFile
from clipcli.models.tokenizer.vocabulary import SENTENCEPIECE_NAMES

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
HUB_PREFIXES = ("https://huggingface.co/", "https://hf.co/", "hf-hub:", "hf://", "hf:")
MB = 1_000_000
MAX_REF_BYTES = 100

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the hub: the catalogue's, or any repository in a layout that clipcli reads."""

    name: str
    repository: str
    entry: CatalogEntry | None = None

    @property
    def activation(self) -> Activation | None:
        """What the catalogue says, which the files must not contradict."""
        return self.entry.architecture.activation if self.entry else None

    def choose_files(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the files that are needed, out of all there are."""
        if self.entry is None:
            layout: Layout = "openclip" if "open_clip_config.json" in available else "huggingface"
            is_siglip = not set(SENTENCEPIECE_NAMES).isdisjoint(available)
            return wanted_files(self.repository, layout, available, is_siglip=is_siglip)
        missing = [name for name in self.entry.files if name not in available]
        if missing:
            raise ModelError(f"{self.repository}: {missing[0]} is missing from its files")
        return self.entry.files or self.entry.wanted_files(available)


def find_hub_model(name: str) -> HubModel:
    """Return what on the hub a name means: a row of the catalogue, or ``owner/name``.

    Raises
    ------
    ModelError
        If it is neither; the hint suggests what is near.
    """
    if entry := find_entry(name):
        return HubModel(entry.name, entry.repository, entry)
    bare = name
    for prefix in HUB_PREFIXES:
        bare = bare.removeprefix(prefix)
    if REPOSITORY.fullmatch(bare) and ".." not in bare:
        return HubModel(check_name(bare.partition("/")[2]), bare)
    near = suggest(name)
    raise ModelError(
        f"there is no model {name!r} in the catalogue",
        hint=f"did you mean {' or '.join(map(repr, near))}?"
        if near
        else "see `clipcli models list`, or name a repository: OWNER/NAME",
    )


def pull(model: HubModel, *, say: Say = lambda _: None, is_quiet: bool = False) -> Installed:
    """Download what is missing of a model, check it, and install a pointer to it.

    Raises
    ------
    ModelError
        If anything goes wrong; then nothing is installed, and what came is kept for next time.
    """
    prepare_store()
    found = fetch_chosen(model, model.choose_files, say, is_quiet=is_quiet)
    pointer = Pointer(
        name=model.name,
        repository=model.repository,
        revision=found.commit,
        path=found.path,
        files=found.files,
        fingerprint="",
        licence=model.entry.licence if model.entry else found.licence,
        activation=model.activation,
    )
    source = open_model(pointer.weights_path, activation=model.activation)
    _check_catalogue(model, source)
    return install_pointer(replace(pointer, fingerprint=source.config.fingerprint))


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files of a repository that are in the hub's cache now."""

    commit: str
    path: Path  # the folder they lie in
    files: tuple[PulledFile, ...]
    licence: str  # as the hub has it


def fetch_chosen(
    model: HubModel,
    choose: Callable[[list[str]], tuple[str, ...]],
    say: Say,
    *,
    is_quiet: bool,
) -> Fetched:
    """Fetch the files of a repository that ``choose`` picks out of all there are.

    Raises
    ------
    ModelError
    """
    with _library(is_quiet=is_quiet), in_words(model.repository):
        listing = _list(model)
        files = [listing.files[name] for name in choose(list(listing.files))]
        _check_room(model, files)
        folder, pulled = _fetch_all(model, files, say)
    ordered = tuple(sorted(pulled, key=lambda file: file.name))
    return Fetched(listing.commit, folder, ordered, listing.licence)


def _list(model: HubModel) -> Listing:
    """Ask the hub for a repository's files, or look at what the cache has when offline."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return _list_cached(model)
    return ask_for_listing(model.repository, model.entry)


def _list_cached(model: HubModel) -> Listing:
    from huggingface_hub import constants, errors

    cached = Path(constants.HF_HUB_CACHE) / repository_folder(model.repository)
    try:
        newest = read_regular(cached / "refs" / "main", ModelError, MAX_REF_BYTES)
        commit = newest.decode("ascii").strip()
        if not COMMIT.fullmatch(commit):
            raise ValueError(commit)
        names = sorted(path.name for path in (cached / "snapshots" / commit).iterdir())
    except (ModelError, OSError, ValueError) as error:
        raise errors.OfflineModeIsEnabled from error
    hashes = model.entry.sha256 if model.entry else {}
    return Listing(
        commit,
        {name: HubFile(model.repository, commit, name, None, hashes.get(name)) for name in names},
    )


def _check_room(model: HubModel, files: Sequence[HubFile]) -> None:
    """Refuse to begin a download that cannot end."""
    from huggingface_hub import constants

    missing = [file for file in files if find_cached(file) is None]
    needed = sum((file.n_bytes or 0) - partial_bytes(file) for file in missing)
    folder = Path(constants.HF_HUB_CACHE).absolute()
    free = free_bytes(folder)
    if free is not None and needed > free:
        raise ModelError(
            f"{model.repository}: {needed / MB:,.0f} MB are needed in {folder}, and "
            f"{free / MB:,.0f} MB are free",
            hint="make room, or set HF_HOME to a larger disk",
        )


def _fetch_all(
    model: HubModel, files: Sequence[HubFile], say: Say
) -> tuple[Path, list[PulledFile]]:
    """Fetch small files first: what does not fit is found before the weights come."""
    ordered = sorted(
        files, key=lambda file: (not file.name.endswith(INDEX_ENDING), file.n_bytes or 0)
    )
    n_bytes = sum(file.n_bytes or 0 for file in files)
    if n_bytes:
        say(f"{model.name}: {len(files)} files, {n_bytes / MB:,.0f} MB, from {model.repository}")
    folders, pulled = set(), []
    for file in ordered:
        path, done = fetch(file)
        folders.add(path.parent)
        pulled.append(done)
        if file.name.endswith(INDEX_ENDING):
            _check_shards(path, {each.name for each in files})
    note_newest(files[0])
    if len(folders) != 1:
        raise ModelError(f"{model.repository}: its files do not lie in one folder of the cache")
    return folders.pop(), pulled


def _check_shards(index: Path, names: set[str]) -> None:
    """Refuse an index that names files elsewhere, or others than are there."""
    for shard in set(read_shard_index(index).values()):
        if shard not in names:
            raise ModelError(f"{index}: shard {shard!r} is not among the repository's files")


def _check_catalogue(model: HubModel, source: ModelSource) -> None:
    """Refuse a model that is not what the catalogue says about it."""
    entry = model.entry
    if entry is None:
        return
    for what, expected, found in (
        ("architecture", entry.architecture, source.config.architecture),
        ("scoring", entry.scoring, source.config.scoring),
    ):
        if found != expected:
            raise ModelError(
                f"{model.repository}: its {what} is not the one in the catalogue: "
                f"{found}, not {expected}"
            )


@contextmanager
def _library(*, is_quiet: bool) -> Iterator[None]:
    """Keep the hub's library from talking; its progress bar stays, unless quiet."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, but no __all__
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    verbosity, was_disabled = logging.get_verbosity(), are_progress_bars_disabled()
    logging.set_verbosity(ERROR)
    if is_quiet:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if is_quiet and not was_disabled:
            enable_progress_bars()
