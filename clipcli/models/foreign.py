"""Models in layouts that are not ours: Hugging Face's, OpenCLIP's, bare checkpoints.

What their files do not say is not guessed: the user says it, or the model is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from clipcli.cache.file_hashes import remembered_fingerprint
from clipcli.errors import ModelError
from clipcli.models.config import (
    Activation,
    AnyArchitecture,
    ModelConfig,
    Preprocessing,
)
from clipcli.models.config_file import canonical_numbers, config_from_dict, config_to_dict
from clipcli.models.folder import CONFIG_NAME, logit_scale
from clipcli.models.formats import huggingface, openclip
from clipcli.models.formats.huggingface_keys import huggingface_clip, huggingface_siglip
from clipcli.models.formats.json_reader import JsonObject, read_object
from clipcli.models.formats.preprocessor import (
    check_size,
    find_preprocessor,
    given_preprocessing,
    read_openclip_preprocess,
    read_preprocessor,
)
from clipcli.models.formats.tensor_map import (
    TensorPlan,
    WeightsFile,
    as_they_are,
    make_plan,
    read_weights,
    scalar,
)
from clipcli.models.formats.tokenizer_files import (
    find_clip_tokenizer,
    find_siglip_tokenizer,
    read_siglip_tokens,
)
from clipcli.models.source import Layout, ModelSource, check_activation
from clipcli.models.tokenizer.vocabulary import IDS_NAME

ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
GIVE = {  # what may have to be given, and how
    "activation": "--activation quick_gelu|gelu",
    "preprocessing": "--preprocessing clip|FILE",
    "tokenizer": "--vocab FILE",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says about a model, where its files do not."""

    name: str | None
    activation: Activation | None
    vocabulary: Path | None
    preprocessing: str | None


@dataclass(frozen=True, slots=True)
class _FoundFiles:
    """What the files say, before it is put together."""

    layout: Layout
    architecture: AnyArchitecture
    preprocessing: Preprocessing
    plan: TensorPlan
    file: WeightsFile
    tokenizer_path: Path


def open_foreign(path: Path, given: Given) -> ModelSource:
    """Open a folder or file that is there and is no model folder of ours.

    Raises
    ------
    ModelError
        As :func:`clipcli.models.open.open_model` does.
    OSError
    """
    found = _find_in_folder(path, given) if path.is_dir() else _find_in_file(path, given)
    return _put_together(path, given, found)


def _find_in_folder(folder: Path, given: Given) -> _FoundFiles:
    if (folder / CONFIG_NAME).is_file() and (weights := huggingface.find_weights(folder)):
        return _find_huggingface(read_object(folder / CONFIG_NAME), read_weights(weights), given)
    weights = next((folder / n for n in openclip.WEIGHTS_NAMES if (folder / n).is_file()), None)
    if weights is None:
        weights = _only_weights(folder)
    return _find_by_names(read_weights(weights), given, is_named_by_folder=True)


def _find_in_file(path: Path, given: Given) -> _FoundFiles:
    config = path.with_name(CONFIG_NAME)
    if path.name in huggingface.WEIGHTS_NAMES and config.is_file():
        return _find_huggingface(read_object(config), read_weights(path), given)
    return _find_by_names(
        read_weights(path), given, is_named_by_folder=path.name in openclip.WEIGHTS_NAMES
    )


def _only_weights(folder: Path) -> Path:
    """Return the one checkpoint of a folder that does not say what it is."""
    files = sorted(p for p in folder.iterdir() if p.suffix in ENDINGS and p.is_file())
    if len(files) == 1:
        return files[0]
    if not files:
        raise ModelError(f"{folder}: not a model folder: there are no weights in it")
    raise ModelError(
        f"{folder}: holds {len(files)} files of weights and nothing that says which",
        hint=f"name one of them, such as {files[0]}",
    )


def _find_by_names(file: WeightsFile, given: Given, *, is_named_by_folder: bool) -> _FoundFiles:
    if any(name.startswith(("vision_model.", "text_model.")) for name in file.table):
        config = file.path.with_name(CONFIG_NAME)
        if not config.is_file():
            raise ModelError(
                f"{file.path}: is in Hugging Face's layout, and its {CONFIG_NAME} is missing",
                hint=f"put {CONFIG_NAME}, the tokenizer and preprocessor_config.json beside it",
            )
        return _find_huggingface(read_object(config), file, given)
    if not openclip.is_openai_layout(file):
        some = ", ".join(list(file.table)[:3]) or "nothing"
        raise ModelError(f"{file.path}: these are not CLIP's weights: they hold {some}")
    file = openclip.in_our_names(file)
    config = file.path.with_name(openclip.CONFIG_NAME)
    if is_named_by_folder and config.is_file():
        return _find_openclip(read_object(config), file, given)
    return _find_bare(file, given)


def _find_huggingface(data: JsonObject, file: WeightsFile, given: Given) -> _FoundFiles:
    folder = data.path.parent
    architecture: AnyArchitecture
    if huggingface.model_type(data) == "clip":
        architecture = huggingface.read_clip(data)
        plan = make_plan(huggingface_clip(architecture), file)
        tokenizer_path = given.vocabulary or find_clip_tokenizer(folder)
        missing = [] if tokenizer_path else ["tokenizer"]
    else:
        tokenizer_path = given.vocabulary or find_siglip_tokenizer(folder)
        vocab_size = huggingface.siglip_vocab_size(data)
        tokens = read_siglip_tokens(tokenizer_path.parent, vocab_size)
        architecture = huggingface.read_siglip(data, tokens)
        plan = make_plan(huggingface_siglip(architecture), file)
        missing = []
    check_activation(given.activation, architecture.activation, data.path)
    preprocessing = _preprocessing(folder, given, architecture.image.image_size)
    if preprocessing is None:
        missing.append("preprocessing")
    if missing or tokenizer_path is None or preprocessing is None:
        raise _not_established(folder, missing)
    return _FoundFiles("huggingface", architecture, preprocessing, plan, file, tokenizer_path)


def _find_openclip(data: JsonObject, file: WeightsFile, given: Given) -> _FoundFiles:
    architecture = openclip.read_openclip(data, file)
    check_activation(given.activation, architecture.activation, data.path)
    size = architecture.image.image_size
    preprocessing = read_openclip_preprocess(data.section("preprocess_cfg"), size)
    tokenizer_path = given.vocabulary or find_clip_tokenizer(data.path.parent)
    if tokenizer_path is None:
        raise _not_established(data.path.parent, ["tokenizer"])
    plan = as_they_are(file.table)
    return _FoundFiles("openclip", architecture, preprocessing, plan, file, tokenizer_path)


def _find_bare(file: WeightsFile, given: Given) -> _FoundFiles:
    is_script = file.module_kinds is not None
    said = openclip.script_activation(file) or openclip.name_activation(file.path)
    if said is not None:
        check_activation(given.activation, said, file.path)
    activation = said or given.activation
    architecture = openclip.infer_architecture(file, activation or "gelu")
    size = architecture.image.image_size
    preprocessing = _preprocessing(file.path.parent, given, size)
    if preprocessing is None and is_script:
        preprocessing = Preprocessing(size)  # OpenAI alone published such archives, all alike
    tokenizer_path = given.vocabulary or find_clip_tokenizer(file.path.parent)
    facts = {
        "activation": activation,
        "preprocessing": preprocessing,
        "tokenizer": tokenizer_path,
    }
    missing = [fact for fact, value in facts.items() if value is None]
    if missing or preprocessing is None or tokenizer_path is None:
        raise _not_established(file.path, missing)
    layout: Layout = "openai" if is_script else "state dict"
    return _FoundFiles(
        layout, architecture, preprocessing, as_they_are(file.table), file, tokenizer_path
    )


def _preprocessing(folder: Path, given: Given, image_size: int) -> Preprocessing | None:
    """Return what the user says about preprocessing, or what a file of the folder says."""
    if given.preprocessing is not None:
        preprocessing = given_preprocessing(given.preprocessing, image_size)
        check_size(preprocessing, image_size, given.preprocessing)
        return preprocessing
    path = find_preprocessor(folder)
    if path is None:
        return None
    preprocessing = read_preprocessor(path)
    check_size(preprocessing, image_size, path)
    return preprocessing


def _not_established(path: Path, facts: list[str]) -> ModelError:
    return ModelError(
        f"{path}: nothing says what its {' and '.join(facts)} {'is' if len(facts) == 1 else 'are'}",
        hint=f"clipcli models import {path} {' '.join(GIVE[fact] for fact in facts)}",
    )


def _put_together(path: Path, given: Given, found: _FoundFiles) -> ModelSource:
    scale = logit_scale(scalar(found.file, _scale_name(found.file)), found.file.path)
    has_bias = found.architecture.logit_bias
    config = ModelConfig(
        name=given.name or (path.resolve().name if path.is_dir() else path.stem),
        architecture=found.architecture,
        preprocessing=found.preprocessing,
        logit_scale=scale,
        logit_bias=scalar(found.file, "logit_bias") if has_bias else 0.0,
        scoring="sigmoid" if has_bias else "softmax",  # who learned a bias, learned with sigmoids
        source=str(path),
    )
    config = config_from_dict(config_to_dict(config), str(found.file.path))  # its sizes fit
    paths = {stored.path for piece in found.plan.values() for stored in piece.parts}
    ids = found.tokenizer_path.with_name(IDS_NAME)
    beside = [ids] if found.tokenizer_path.suffix == ".txt" and ids.is_file() else []
    files = [*sorted(paths), found.tokenizer_path, *beside]
    fingerprint = remembered_fingerprint(files, canonical_numbers(config))
    config = replace(config, fingerprint=fingerprint)
    return ModelSource(path, found.layout, config, found.plan, found.tokenizer_path)


def _scale_name(file: WeightsFile) -> str:
    if "logit_scale" not in file.table:
        raise ModelError(f"{file.path}: there is no logit_scale: these are not CLIP's weights")
    return "logit_scale"
