"""Models as rows of text and as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from clipcli.errors import ModelError
from clipcli.models.catalog.catalog import CatalogEntry, catalog, find_entry
from clipcli.models.catalog.locators import LocatorEntry, find_locator_entry, locator_catalog
from clipcli.models.config import ModelConfig, languages_of
from clipcli.models.store import Installed
from clipcli.models.store_pointer import LOCATOR, Pointer

if TYPE_CHECKING:
    from clipcli.models.locators.source import LocatorSource
    from clipcli.models.source import ModelSource

HEADER = ("NAME", "STATE", "MB", "PIXELS", "IMAGENET", "LICENCE")
MB = 1e6


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model in the list; what nobody knows is empty or None."""

    name: str
    state: str  # default, installed, available, or damaged
    n_bytes: int | None
    image_size: int | None
    imagenet_top1: float | None  # zero-shot accuracy, per cent
    imagenet_source: str
    licence: str
    repository: str
    box_ap: str = ""  # of models that locate: average precision on LVIS and COCO, per cent


def model_lines(installed: Iterable[Installed], default: str | None) -> list[ModelLine]:
    """Return a line for each model that is here, and then for each other of the catalogue."""
    here = list(installed)
    lines = [_installed_line(model, is_default=model.name == default) for model in here]
    names = {model.name for model in here}
    lines += [_available_line(entry) for entry in catalog() if entry.name not in names]
    return lines + [_locator_line(e) for e in locator_catalog() if e.name not in names]


def list_rows(lines: Sequence[ModelLine]) -> list[tuple[str, ...]]:
    """One row a model: name, state, megabytes, pixels, accuracy in per cent, licence."""
    return [
        (
            line.name,
            line.state,
            "" if line.n_bytes is None else f"{line.n_bytes / MB:.0f}",
            "" if line.image_size is None else str(line.image_size),
            line.box_ap if line.imagenet_top1 is None else f"{line.imagenet_top1:.1f}",
            line.licence,
        )
        for line in lines
    ]


def list_data(lines: Iterable[ModelLine]) -> list[dict[str, Any]]:
    """Describe the list as JSON data."""
    return [asdict(line) for line in lines]


def installed_data(model: Installed, source: ModelSource) -> dict[str, Any]:
    """Describe an installed model as JSON data."""
    from clipcli.models.config_file import config_to_dict

    pointer = model.pointer() if model.is_pulled else None
    entry = _published(model.name, pointer, source.config)
    fields = config_to_dict(source.config)
    fields.pop("format")
    return {
        "name": model.name,
        "state": "installed",
        "path": str(model.find_path()),
        "layout": source.layout,
        "n_bytes": model.count_bytes(),
        **{key: value for key, value in fields.items() if key != "name"},
        "languages": languages_of(source.config.architecture.text.vocab_size),
        "licence": source.config.licence or (pointer.licence if pointer else ""),
        "repository": pointer.repository if pointer else "",
        "revision": pointer.revision if pointer else "",
        "files": _files(pointer),
        "imagenet_top1": entry.imagenet_top1 if entry else None,
        "imagenet_source": entry.imagenet_source if entry else "",
    }


def available_data(entry: CatalogEntry) -> dict[str, Any]:
    """Describe a model of the catalogue that is not installed as JSON data."""
    return {
        "name": entry.name,
        "state": "available",
        "aliases": list(entry.aliases),
        "family": entry.family,
        "n_parameters": entry.n_parameters,
        "languages": entry.languages,
        "n_bytes": entry.download_bytes,
        "architecture": asdict(entry.architecture),
        "preprocessing": asdict(entry.preprocessing),
        "scoring": entry.scoring,
        "licence": entry.licence,
        "repository": entry.repository,
        "files": list(entry.files),
        "imagenet_top1": entry.imagenet_top1,
        "imagenet_source": entry.imagenet_source,
    }


def locator_data(entry: LocatorEntry) -> dict[str, Any]:
    """Describe a model that locates and is not installed as JSON data."""
    fields = asdict(entry)
    return {
        "name": fields.pop("name"),
        "state": "available",
        "n_bytes": entry.download_bytes,
        **fields,
    }


def installed_locator_data(model: Installed, source: LocatorSource) -> dict[str, Any]:
    """Describe an installed model that locates as JSON data."""
    pointer, entry = model.pointer(), find_locator_entry(model.name)
    published = asdict(entry) if entry and entry.repository == pointer.repository else {}
    return {
        **published,
        "name": model.name,
        "state": "installed",
        "path": str(source.path),
        "kind": source.kind,
        "n_bytes": model.count_bytes(),
        "fingerprint": source.fingerprint,
        "architecture": asdict(source.architecture),
        "licence": pointer.licence,
        "repository": pointer.repository,
        "revision": pointer.revision,
        "vocabulary": pointer.vocabulary,
        "files": _files(pointer),
    }


def detail_rows(data: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested data as rows of a dotted key and a value; what is empty is left out."""
    if isinstance(data, dict):
        rows = [
            detail_rows(value, f"{prefix}.{key}" if prefix else key) for key, value in data.items()
        ]
        return [row for part in rows for row in part]
    if data in (None, "", [], ()):
        return []
    if isinstance(data, list) and any(isinstance(item, dict) for item in data):
        return [row for item in data for row in detail_rows(item, prefix)]
    text = ", ".join(map(str, data)) if isinstance(data, list | tuple) else str(data)
    return [(prefix, text)]


def _files(pointer: Pointer | None) -> list[dict[str, Any]]:
    return [asdict(file) for file in pointer.files] if pointer else []


def _installed_line(model: Installed, *, is_default: bool) -> ModelLine:
    try:
        pointer, config = _noted(model)
        n_bytes = model.count_bytes()
    except ModelError:
        return ModelLine(model.name, "damaged", None, None, None, "", "", "")
    located = find_locator_entry(model.name) if pointer and pointer.kind == LOCATOR else None
    if located is not None:
        line = _locator_line(located, "default" if is_default else "installed")
        return replace(line, n_bytes=n_bytes)
    entry = _published(model.name, pointer, config)
    size = config.preprocessing.size if config else None
    licence = config.licence if config else ""
    return ModelLine(
        model.name,
        "default" if is_default else "installed",
        n_bytes,
        entry.image_size if entry else size,
        entry.imagenet_top1 if entry else None,
        entry.imagenet_source if entry else "",
        (pointer.licence if pointer else licence) or (entry.licence if entry else ""),
        pointer.repository if pointer else "",
    )


def _noted(model: Installed) -> tuple[Pointer | None, ModelConfig | None]:
    """Return what was written down about a model: a pulled one's pointer, or its configuration."""
    if model.is_pulled:
        return model.pointer(), None
    from clipcli.models.config_file import read_config
    from clipcli.models.folder import CONFIG_NAME

    return None, read_config(model.folder / CONFIG_NAME)


def _published(
    name: str, pointer: Pointer | None, config: ModelConfig | None
) -> CatalogEntry | None:
    """Return the catalogue's row of a model, if it is that model and not only called so."""
    entry = find_entry(name)
    if entry is None or name != entry.name:
        return None
    if pointer is not None:
        return entry if pointer.repository == entry.repository else None
    return entry if config is not None and config.architecture == entry.architecture else None


def _locator_line(entry: LocatorEntry, state: str = "available") -> ModelLine:
    return ModelLine(
        entry.name,
        state,
        entry.download_bytes,
        entry.size_px,
        None,
        "",
        entry.licence,
        entry.repository,
        entry.accuracy_in_words(),
    )


def _available_line(entry: CatalogEntry) -> ModelLine:
    return ModelLine(
        entry.name,
        "available",
        entry.download_bytes,
        entry.image_size,
        entry.imagenet_top1,
        entry.imagenet_source,
        entry.licence,
        entry.repository,
    )
