"""Exported models on disk: made once, found again, whole or not there."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from clipcli.cache.text_cache import default_folder, prepare_folder
from clipcli.encoder.openvino.comparison import Comparison
from clipcli.encoder.openvino.export import COMPARISON_NAME
from clipcli.errors import MissingExtraError, ModelError
from clipcli.models.open import ModelSource

FORMAT = 1  # goes up when the same model is exported to something else
PACKAGES = ("openvino", "nncf")
INSTALL = 'pip install "clipcli[openvino]"'


@dataclass(frozen=True, slots=True)
class Export:
    """A model that is ready, and how far it is from torch."""

    folder: Path
    comparison: Comparison


def check_installed() -> None:
    """Refuse to go on without the extra."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"--backend openvino needs {' and '.join(missing)}", hint=INSTALL)


def is_ready(source: ModelSource, precision: str) -> bool:
    """Tell whether there is nothing slow to do."""
    store = default_folder()
    return store is not None and _read(_place(store, source, precision)) is not None


def obtain(source: ModelSource, precision: str) -> Export:
    """Return the exported model; where there is none it is made, which takes a minute or two.

    It is kept in the cache folder. Where that cannot be written, it lasts as long as this process.
    """
    try:
        place = _place(_store(), source, precision)
        return _read(place) or _make(source, precision, place)
    except OSError:
        place = Path(tempfile.mkdtemp(prefix="clipcli-")) / "export"
        return _make(source, precision, place)


def _store() -> Path:
    store = default_folder()
    if store is None:
        raise FileNotFoundError
    prepare_folder(store / "backends")
    return store


def _place(store: Path, source: ModelSource, precision: str) -> Path:
    versions = [metadata.version(package) for package in ("openvino", "nncf", "torch")]
    told = json.dumps([FORMAT, source.config.fingerprint, precision, versions])
    return store / "backends" / hashlib.sha256(told.encode("ascii")).hexdigest()[:40]


def _read(place: Path) -> Export | None:
    try:
        told = json.loads((place / COMPARISON_NAME).read_text(encoding="utf-8"))
        return Export(place, Comparison(**told))
    except (OSError, ValueError, TypeError):
        return None


def _make(source: ModelSource, precision: str, place: Path) -> Export:
    partial = Path(tempfile.mkdtemp(prefix=".new-", dir=_made(place.parent)))
    try:
        _run(source, precision, partial)
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        with suppress(OSError):  # somebody else was faster, and theirs is the same
            partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    export = _read(place)
    if export is None:
        raise ModelError(f"{place}: the exported model is gone", hint="use --backend torch")
    return export


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _run(source: ModelSource, precision: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clipcli.encoder.openvino.export"],
        input=pickle.dumps((source, precision, str(folder))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ModelError(
            f"model {source.config.name!r} cannot be exported to OpenVINO: "
            f"{lines[-1] if lines else f'exit code {done.returncode}'}",
            hint="use --backend torch",
        )
