"""Exported models on disk: made once, verified, found again.

They lie in the cache folder, and what lies there may be damaged: an export is used while its files
are those that were written, and made again otherwise.
"""

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

from clipcli.cache.file_hashes import remembered_hash
from clipcli.cache.text_cache import default_folder, prepare_folder
from clipcli.cache.upkeep import EXPORTS
from clipcli.encoder.comparison import COMPARISON_NAME, Comparison
from clipcli.errors import MissingExtraError, ModelError
from clipcli.models.source import ModelSource
from clipcli.strict_json import read_json
from clipcli.strict_records import ReadingRules, read_record

SEAL_NAME = "files.json"  # the sha256 of each of an export's files
FORMAT = 6  # goes up when the same model is exported to something else


@dataclass(frozen=True, slots=True)
class Target:
    """An engine that models are exported to."""

    name: str  # as --backend has it, and the room in ``encoder`` whose ``export`` is run
    title: str
    packages: tuple[str, ...]
    install: str

    def check_installed(self) -> None:
        """Refuse to go on without its packages; the hint is the command that installs them."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            needs = f"--backend {self.name} needs {' and '.join(missing)}"
            raise MissingExtraError(needs, hint=self.install)


OPENVINO = Target("openvino", "OpenVINO", ("openvino", "nncf"), 'pip install "clipcli[openvino]"')
ONNX = Target("onnx", "ONNX Runtime", ("onnxruntime",), "pip install onnxruntime")


@dataclass(frozen=True, slots=True)
class Export:
    """A model that is ready, and how far it is from torch."""

    folder: Path
    comparison: Comparison


def is_ready(source: ModelSource, target: Target, precision: str) -> bool:
    """Tell whether there is nothing slow to do."""
    store = default_folder()
    return store is not None and _read(_place(store, source, target, precision)) is not None


def obtain(source: ModelSource, target: Target, precision: str, rival: str = "") -> Export:
    """Return the exported model; where there is none it is made, which takes a while.

    ``rival`` is the backend whose speed it is compared with when it is made. It is kept in the
    cache folder. Where that cannot be written, it lasts as long as this process.
    """
    try:
        place = _place(_store(), source, target, precision)
        return _read(place) or _make(source, target, precision, place, rival)
    except OSError:
        place = Path(tempfile.mkdtemp(prefix="clipcli-")) / "export"
        return _make(source, target, precision, place, rival)


def _store() -> Path:
    store = default_folder()
    if store is None:
        raise FileNotFoundError
    prepare_folder(store / EXPORTS)
    return store


def _place(store: Path, source: ModelSource, target: Target, precision: str) -> Path:
    versions = [metadata.version(package) for package in (*target.packages, "torch")]
    facts = json.dumps([FORMAT, source.config.fingerprint, target.name, precision, versions])
    return store / EXPORTS / hashlib.sha256(facts.encode("ascii")).hexdigest()[:40]


def _read(place: Path) -> Export | None:
    try:
        data = read_json(place / COMPARISON_NAME, ModelError)
        rules = ReadingRules(str(place), ModelError, has_defaults=True)
        export = Export(place, read_record(data, Comparison, rules))
        seal = read_json(place / SEAL_NAME, ModelError)
        return export if seal == _hashes(place) else None
    except ModelError:
        return None


def _hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of what an engine reads; folders are its own notes."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != SEAL_NAME]
    return {path.name: remembered_hash(path) for path in files}


def _make(source: ModelSource, target: Target, precision: str, place: Path, rival: str) -> Export:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        _run(source, target, precision, partial, rival)
        (partial / SEAL_NAME).write_text(json.dumps(_hashes(partial)), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        with suppress(OSError):  # somebody else was faster, and theirs is the same
            partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    export = _read(place)
    if export is None:
        raise ModelError(f"{place}: the exported model is gone", hint="use --backend torch")
    return export


def _run(source: ModelSource, target: Target, precision: str, folder: Path, rival: str) -> None:
    done = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", f"clipcli.encoder.{target.name}.export"],
        input=pickle.dumps((source, precision, str(folder), rival)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ModelError(
            f"model {source.config.name!r} cannot be exported to {target.title}: "
            f"{lines[-1] if lines else f'exit code {done.returncode}'}",
            hint="use --backend torch",
        )
