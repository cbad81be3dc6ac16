"""Whether this installation works: versions, devices, folders, and a model's self-check."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from clipcli.encoder import selfcheck
from clipcli.errors import ClipcliError, DeviceError, ModelError
from clipcli.files import open_regular
from clipcli.installation import in_own_way
from clipcli.models.fingerprint import compute_fingerprint
from clipcli.models.folder import (
    BUILTIN,
    claimed_fingerprint,
    open_model_folder,
)
from clipcli.models.locators.source import open_installed
from clipcli.models.resolve import find_model
from clipcli.models.source import ModelSource
from clipcli.models.store import Installed, folder_size, free_bytes, installed_models, store_folder
from clipcli.output import text as rows
from clipcli.pipeline.provenance import versions

EXTRAS = {  # what has to be importable
    "siglip": "tokenizers",
    "heif": "pillow_heif",
    "raw": "rawpy",
    "parquet": "pyarrow",
    "probe": "sklearn",
    "openvino": "openvino",
    "serve": "uvicorn",
    "watch": "watchfiles",
}
SELFCHECKS = "selfcheck"  # in the cache folder, for models that are no part of the store
MB = 1e6


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a diagnosis."""

    topic: str
    name: str
    value: str
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: a model, and how it will run."""

    model: str | None = None
    device: str = "auto"
    precision: str = "auto"


def diagnose(patient: Patient) -> Iterator[Check]:
    """Yield findings, the quick ones first.

    Raises
    ------
    DeviceError
        If the device or precision that was asked for is not there.
    """
    yield from _software()
    yield from _devices()
    yield from _places()
    yield from _model(patient)


def _software() -> Iterator[Check]:
    for name, version in versions().items():
        yield Check("versions", name, version)
    yield Check("versions", "system", f"{platform.system()} {platform.machine()}")
    for extra, module in EXTRAS.items():
        fact = "installed" if find_spec(module) else in_own_way(f'pip install "clipcli[{extra}]"')
        yield Check("extras", extra, fact)


def _devices() -> Iterator[Check]:
    from clipcli.encoder.torch.device import probe_devices

    for facts in probe_devices():
        fact = f"{facts.description}; {' '.join(facts.precisions)}; by default {facts.fastest}"
        yield Check("devices", facts.device, fact)


def _places() -> Iterator[Check]:
    from clipcli.cache import text_cache as cache
    from clipcli.models.resolve import config_path

    models = store_folder()
    yield Check("places", "models", _describe_folder(models))
    yield Check("places", "cache", _describe_folder(cache.default_folder()))
    yield Check("places", "hub's cache", _describe_folder(hub_cache_folder()))
    yield Check("places", "configuration", str(config_path()))
    yield Check("places", "installed", ", ".join(installed_models()))


def hub_cache_folder() -> Path:
    """Return where the hub's library keeps downloads, by the rules that it documents."""
    chosen = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if chosen:
        return Path(os.path.expandvars(chosen)).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{caches}/huggingface"
    return Path(os.path.expandvars(home)).expanduser() / "hub"


def _describe_folder(folder: Path | None) -> str:
    if folder is None:
        return "none: the user has no home folder"
    free = free_bytes(folder)
    room = f", {free / MB:,.0f} MB free" if free is not None else ""
    if not folder.is_dir():
        return f"{folder} (not there yet{room})"
    return f"{folder} ({folder_size(folder) / MB:,.1f} MB{room})"


def _model(patient: Patient) -> Iterator[Check]:
    try:
        found = find_model(patient.model)
        source = _open(found)
    except ModelError as error:
        yield Check("model", patient.model or "default", _fact(error), is_fault=True)
        return
    size = _size(found)
    yield Check("model", source.config.name, f"{source.path} ({size / MB:,.1f} MB)")
    fingerprint = check_fingerprint(found, source)
    yield fingerprint
    yield from _self_check(patient, found, source, is_trusted=not fingerprint.is_fault)


def _open(found: Installed | Path) -> ModelSource:
    if isinstance(found, Installed):
        return found.open()
    from clipcli.models.open import open_model

    return open_model(found)


def _size(found: Installed | Path) -> int:
    if isinstance(found, Installed):
        return found.count_bytes()
    return folder_size(found) if found.is_dir() else found.stat().st_size


def check_fingerprint(found: Installed | Path, source: ModelSource) -> Check:
    """Hash the model anew, and compare with what was written down when it came."""
    expected = source.config.fingerprint
    try:
        if source.layout == "clipcli":
            expected = _written_fingerprint(source)
            now = compute_fingerprint(open_model_folder(source.path))
        elif isinstance(found, Installed):
            expected, now = found.pointer().fingerprint, expected
        else:
            return Check("model", "fingerprint", f"{expected} (nothing to compare it with)")
    except ModelError as error:
        return Check("model", "fingerprint", _fact(error), is_fault=True)
    if now == expected:
        return Check("model", "fingerprint", now)
    fact = f"{now}, but it was {expected}: the files have changed"
    return Check("model", "fingerprint", fact, is_fault=True)


def _self_check(
    patient: Patient, found: Installed | Path, source: ModelSource, *, is_trusted: bool
) -> Iterator[Check]:
    from clipcli.encoder.encoder import ModelEncoder

    encoder = ModelEncoder(source, patient.device, patient.precision)
    try:
        place = f"{encoder.device}, {encoder.precision}"
        answers = selfcheck.answer(encoder)
        expected, note = _expectations(found, source, is_trusted=is_trusted)
    except DeviceError:
        raise
    except ClipcliError as error:
        yield Check("self-check", "network", _fact(error), is_fault=True)
        return
    if note:
        yield Check("self-check", "expectations", note, is_fault=expected is None)
    if expected is None:
        return
    deviation = selfcheck.compare(answers, expected)
    yield _judge(
        f"images ({place})", deviation.images, selfcheck.allowed_deviation(encoder.precision)
    )
    yield _judge("texts (fp32)", deviation.texts, selfcheck.allowed_deviation("fp32"))


def _judge(name: str, deviation: float, allowed: float) -> Check:
    is_fault = not deviation <= allowed  # NaN is a fault, too
    fact = f"largest deviation {deviation:.1e}, allowed {allowed:.0e}"
    return Check("self-check", name, fact, is_fault=is_fault)


def _expectations(
    found: Installed | Path, source: ModelSource, *, is_trusted: bool
) -> tuple[selfcheck.Answers | None, str]:
    """Return what is expected of a model and what there is to say about it; None: a fault."""
    fingerprint = _written_fingerprint(source)
    for path in _places_of_expectations(found, source):
        if stored := selfcheck.read_expectations(path, fingerprint):
            return stored, ""
    if isinstance(found, Installed) and found.name == BUILTIN:
        return None, f"{selfcheck.FILE_NAME} is missing or was made for other weights"
    if not is_trusted:
        return None, "there are none, and the files have changed"
    answers = selfcheck.reference_answers(source)
    path = _places_of_expectations(found, source)[-1]
    return answers, f"computed in fp32 on the CPU{_kept(path, fingerprint, answers)}"


def _written_fingerprint(source: ModelSource) -> str:
    """Return the fingerprint that a model came with; its files may have changed since."""
    if source.layout == "clipcli":
        return claimed_fingerprint(source.path)
    return source.config.fingerprint


def _kept(path: Path, fingerprint: str, answers: selfcheck.Answers) -> str:
    try:
        selfcheck.write_expectations(path, fingerprint, answers)
    except OSError as error:
        return f", not kept: {path}: {error.strerror or error}"
    return f", kept as {path}"


def _places_of_expectations(found: Installed | Path, source: ModelSource) -> list[Path]:
    """Return where expectations may lie; the last is where they are written."""
    from clipcli.cache.text_cache import default_folder

    if isinstance(found, Installed):
        return [found.folder / selfcheck.FILE_NAME]
    folder = source.path if source.path.is_dir() else source.path.parent
    places = [folder / selfcheck.FILE_NAME]
    cache = default_folder()
    if cache is not None:
        places.append(cache / SELFCHECKS / f"{source.config.fingerprint}.json")
    return places


def _fact(error: ClipcliError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def verify(model: Installed) -> str | None:
    """Hash all of a model's files anew; return what is wrong, or None."""
    try:
        if model.is_pulled:
            return _verify_pulled(model)
        folder = open_model_folder(model.folder)
        if compute_fingerprint(folder) != claimed_fingerprint(model.folder):
            return "its fingerprint is not the one it was installed with: the files have changed"
    except ModelError as error:
        return _fact(error)
    return None


def _verify_pulled(model: Installed) -> str | None:
    import hashlib

    pointer = model.pointer()
    for file in pointer.files:
        path = pointer.path / file.name
        try:
            with open_regular(path) as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        if digest != file.sha256:
            return f"{path}: its sha256 is {digest}, not {file.sha256}: it is damaged"
    if open_installed(model) is None:
        model.open()
    return None


TOPIC_CELLS, NAME_CELLS = 11, 18
FAULT = "FAULT: "


def print_findings(findings: Iterable[Check], *, as_json: bool = False) -> bool:
    """Print findings as they come; return whether there was a fault."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            rows.print_line(_line(finding, is_first=_is_first(seen)))
    faults = [finding for finding in seen if finding.is_fault]
    if as_json:
        rows.print_json({"ok": not faults, "findings": [asdict(finding) for finding in seen]})
    else:
        n = len(faults)
        rows.print_line(f"{n} fault{'s' if n > 1 else ''} found" if n else "all is well")
    return bool(faults)


def _is_first(seen: list[Check]) -> bool:
    return len(seen) == 1 or seen[-2].topic != seen[-1].topic


def _line(finding: Check, *, is_first: bool) -> str:
    value = f"{FAULT if finding.is_fault else ''}{finding.value}"
    if not sys.stdout.isatty():
        return f"{finding.topic}\t{finding.name}\t{value}"
    topic = finding.topic if is_first else ""
    return f"{topic:{TOPIC_CELLS}} {finding.name:{NAME_CELLS}} {value}"
