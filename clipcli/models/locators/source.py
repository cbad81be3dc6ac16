"""Opening a model that locates: which kind it is, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from clipcli.cache.file_hashes import remembered_fingerprint
from clipcli.errors import ModelError
from clipcli.models.config import Preprocessing
from clipcli.models.folder import BUILTIN
from clipcli.models.formats import huggingface
from clipcli.models.formats.json_reader import read_object
from clipcli.models.formats.preprocessor import find_preprocessor
from clipcli.models.formats.tensor_map import JoinedTensor, make_plan, read_weights
from clipcli.models.formats.tokenizer_files import find_clip_tokenizer
from clipcli.models.locators.glip import (
    LONG_PX,
    MODEL_TYPE,
    SHORT_PX,
    GlipArchitecture,
    glip_plan,
    picture_sides,
    read_glip,
)
from clipcli.models.locators.grounding import (
    GroundingArchitecture,
    grounding_preprocessing,
    is_grounding,
    may_share_heads,
    read_grounding,
)
from clipcli.models.locators.grounding_keys import grounding_plan
from clipcli.models.locators.owl import OwlArchitecture, is_owl, owl_tensors, read_owl
from clipcli.models.resolve import chosen_model, find_model
from clipcli.models.store import Installed
from clipcli.models.store_pointer import LOCATOR
from clipcli.models.tokenizer.vocabulary import TOKENIZER_NAME
from clipcli.strict_json import short

Kind: TypeAlias = Literal["owlvit", "owlv2", "glip", "mm-grounding-dino", "grounding-dino"]
AnyLocator: TypeAlias = OwlArchitecture | GlipArchitecture | GroundingArchitecture
WORDPIECE_NAMES = (TOKENIZER_NAME, "vocab.txt")
GLIP_HEAD = "rpn.head."
CHECKPOINTS = (".pth", ".pt", ".bin", ".safetensors")


@dataclass(frozen=True, slots=True)
class LocatorSource:
    """A locating model that is whole, as far as can be known without loading its weights."""

    path: Path
    name: str
    kind: Kind
    architecture: AnyLocator
    plan: Mapping[str, JoinedTensor]
    tokenizer_path: Path
    preprocessing: Preprocessing | None  # None: GLIP's, which goes by ``sides``
    fingerprint: str
    sides: tuple[int, int] = (SHORT_PX, LONG_PX)  # of pictures, if not square: short and long


def open_locator(path: Path, vocabulary: Path | None = None) -> LocatorSource:
    """Open a folder of OWL-ViT, OWLv2 or Grounding DINO, or a GLIP checkpoint.

    GLIP's vocabulary lies beside its weights, unless ``vocabulary`` says where.

    Raises
    ------
    ModelError
        If it is none of these, is not whole, or does not fit its kind exactly.
    """
    if not path.exists():
        raise ModelError(f"{path}: no such file or folder")
    folder = path if path.is_dir() else path.parent
    config = folder / huggingface.CONFIG_NAME
    if config.is_file():
        data = read_object(config)
        if is_owl(data):
            return _open_owl(folder)
        if is_grounding(data):
            return _open_grounding(folder)
        if data.values.get("model_type") == MODEL_TYPE:
            return _open_glip(path, picture_sides(data))
        kind = data.values.get("model_type")
        raise ModelError(
            f"{config}: model_type is {kind!r}; models that locate are 'owlvit', 'owlv2', "
            "'mm-grounding-dino', 'grounding-dino' and GLIP",
        )
    return _open_glip(path, vocabulary=vocabulary)


def _open_owl(folder: Path) -> LocatorSource:
    data = read_object(folder / huggingface.CONFIG_NAME)
    weights = huggingface.find_weights(folder)
    if weights is None:
        raise ModelError(f"{folder}: there are no weights in it")
    architecture = read_owl(data)
    tokenizer_path = find_clip_tokenizer(folder)
    preprocessor = find_preprocessor(folder)
    if tokenizer_path is None or preprocessor is None:
        lacks = "preprocessor_config.json" if tokenizer_path else "tokenizer"
        raise ModelError(f"{folder}: its {lacks} is missing", hint=f"put it into {folder}")
    kind: Kind = "owlv2" if architecture.has_objectness else "owlvit"
    preprocessing = owl_preprocessing(preprocessor, architecture.clip.image.image_size)
    file = read_weights(weights)
    plan = make_plan(owl_tensors(architecture), file)
    return _source(folder, kind, architecture, plan, tokenizer_path, preprocessing)


def owl_preprocessing(path: Path, size: int) -> Preprocessing:
    """Return the preprocessing of a ``preprocessor_config.json`` beside a tower of such a size.

    Raises
    ------
    ModelError
        If it makes no sense, or of pictures of another size.
    """
    data = read_object(path)
    given = data.values.get("size")
    sides = list(given.values()) if isinstance(given, dict) else given
    sides = sides if isinstance(sides, list) else [sides]
    if not sides or any(side != size for side in sides):
        raise ModelError(f"{path}: size is {short(given)}, but the image tower sees {size} pixels")
    return Preprocessing(
        size, "squash", mean=data.triple("image_mean"), std=data.triple("image_std")
    )


def _open_grounding(folder: Path) -> LocatorSource:
    data = read_object(folder / huggingface.CONFIG_NAME)
    architecture = read_grounding(data)
    weights, preprocessor = huggingface.find_weights(folder), find_preprocessor(folder)
    vocabulary = next((folder / n for n in WORDPIECE_NAMES if (folder / n).is_file()), None)
    for what, found in (
        ("weights (model.safetensors)", weights),
        ("preprocessor_config.json", preprocessor),
        ("vocabulary (tokenizer.json or vocab.txt)", vocabulary),
    ):
        if found is None:
            raise ModelError(f"{folder}: its {what} is missing", hint=f"put it into {folder}")
    assert weights
    assert preprocessor
    assert vocabulary
    preprocessing, long_px = grounding_preprocessing(preprocessor)
    plan = grounding_plan(architecture, read_weights(weights), is_shared=may_share_heads(data))
    kind: Kind = "mm-grounding-dino" if architecture.is_mm else "grounding-dino"
    sides = (preprocessing.size, long_px)
    return _source(folder, kind, architecture, plan, vocabulary, preprocessing, sides)


def _open_glip(
    path: Path,
    sides: tuple[int, int] = (SHORT_PX, LONG_PX),
    vocabulary: Path | None = None,
) -> LocatorSource:
    weights = _only_checkpoint(path) if path.is_dir() else path
    file = read_weights(weights)
    architecture = read_glip(file.path, file.shapes)
    found = (weights.with_name(name) for name in WORDPIECE_NAMES)
    tokenizer_path = vocabulary or next((p for p in found if p.is_file()), None)
    if tokenizer_path is None:
        raise ModelError(
            f"{weights}: its vocabulary is missing: GLIP's files do not hold it",
            hint=f"put bert-base-uncased's vocab.txt or tokenizer.json into {weights.parent}",
        )
    plan = glip_plan(file.table)
    return _source(path, "glip", architecture, plan, tokenizer_path, None, sides)


def _only_checkpoint(folder: Path) -> Path:
    files = sorted(p for p in folder.iterdir() if p.suffix in CHECKPOINTS and p.is_file())
    if len(files) != 1:
        n = len(files) or "no"
        raise ModelError(f"{folder}: holds {n} checkpoints", hint="name one file")
    return files[0]


def _source(
    path: Path,
    kind: Kind,
    architecture: AnyLocator,
    plan: Mapping[str, JoinedTensor],
    tokenizer_path: Path,
    preprocessing: Preprocessing | None,
    sides: tuple[int, int] = (SHORT_PX, LONG_PX),
) -> LocatorSource:
    paths = {stored.path for piece in plan.values() for stored in piece.parts}
    is_released = sides == (SHORT_PX, LONG_PX)
    facts = (kind, architecture, preprocessing, *(() if is_released else sides))
    numbers = repr(facts).encode()
    fingerprint = remembered_fingerprint([*sorted(paths), tokenizer_path], numbers)
    name = path.resolve().name if path.is_dir() else path.stem
    return LocatorSource(
        path, name, kind, architecture, plan, tokenizer_path, preprocessing, fingerprint, sides
    )


def find_locator(spec: str | None) -> LocatorSource | None:
    """Return the locating model that a name or path means, or None where it means another model.

    Raises
    ------
    ModelError
        If there is no such model, or it is one that locates and not whole.
    """
    if chosen_model(spec).spec == BUILTIN:
        return None
    found = find_model(spec)
    if isinstance(found, Installed):
        return open_installed(found) or _if_locator(found.find_path())
    return _if_locator(found)


def open_installed(model: Installed) -> LocatorSource | None:
    """Open an installed model that locates under its name; None where it is another model.

    Raises
    ------
    ModelError
        If its files are gone, or are not whole.
    """
    if not model.is_pulled or model.pointer().kind != LOCATOR:
        return None
    pointer = model.pointer()
    model.check_there(pointer)
    vocabulary = Path(pointer.vocabulary) if pointer.vocabulary else None
    return replace(open_locator(pointer.locator_path, vocabulary), name=model.name)


def _if_locator(path: Path) -> LocatorSource | None:
    return open_locator(path) if is_locator(path) else None


def is_locator(path: Path) -> bool:
    """Tell whether a folder or checkpoint is of a kind that locates, whole or not."""
    folder = path if path.is_dir() else path.parent
    config = folder / huggingface.CONFIG_NAME
    if config.is_file():
        data = read_object(config)
        is_folder = is_owl(data) or is_grounding(data)
        return is_folder or data.values.get("model_type") == MODEL_TYPE
    if path.is_dir():
        files = [p for p in path.iterdir() if p.suffix in CHECKPOINTS and p.is_file()]
        path = files[0] if len(files) == 1 else path
    if not path.is_file():
        return False
    return any(name.startswith(GLIP_HEAD) for name in read_weights(path).table)
