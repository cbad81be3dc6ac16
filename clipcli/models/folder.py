"""Model folders: what lies in one, writing one whole.

A model is a folder: weights, tokenizer, and a configuration that says the architecture, the
preprocessing and the scoring. They travel together and are never guessed apart.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from clipcli.cache.file_hashes import remembered_digest
from clipcli.errors import ModelError, OutputError, OutputExistsError
from clipcli.files import PACKAGE
from clipcli.models.config import ModelConfig, SiglipArchitecture
from clipcli.models.config_file import canonical_numbers, config_to_dict, read_config
from clipcli.models.fingerprint import ModelFolder, compute_fingerprint, shipped_fingerprint
from clipcli.models.formats.safetensors import (
    RawTensor,
    read_number,
    read_tensor_table,
    write_tensors,
)
from clipcli.models.tokenizer.vocabulary import (
    IDS_NAME,
    MERGES_NAME,
    TOKENIZER_NAME,
    Vocabulary,
    write_vocabulary,
)

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
CARD_NAME = "MODEL_CARD.md"
BUILTIN = "mini"
MAX_LOG_SCALE = 20.0  # trained models stop at log(100) = 4.6
ENVIRONMENT = "CLIPCLI_MODEL"


def builtin_model_folder() -> Path:
    """Return the folder of the model that comes with clipcli."""
    return PACKAGE / "assets" / BUILTIN


def open_model_folder(path: Path) -> ModelFolder:
    """Read a folder's configuration and check that its files are there and whole.

    The fingerprint is that of the files, not what the configuration says of them.

    Raises
    ------
    ModelError
        If something is missing, unreadable, truncated or contradicts itself.
    """
    if not path.is_dir():
        raise ModelError(f"{path}: no such model folder")
    _check_there(path, CONFIG_NAME)
    config = read_config(path / CONFIG_NAME)
    folder = ModelFolder(path, config, path / WEIGHTS_NAME, path / tokenizer_name(config))
    _check_there(path, WEIGHTS_NAME)
    _check_there(path, folder.vocabulary_path.name)
    _check_logits(folder)
    return folder._replace(config=replace(config, fingerprint=_true_fingerprint(folder)))


def claimed_fingerprint(path: Path) -> str:
    """Return the fingerprint that a folder was written with, whatever its files have become."""
    return read_config(path / CONFIG_NAME).fingerprint


def _true_fingerprint(folder: ModelFolder) -> str:
    """Return the fingerprint of a folder's files; what its configuration says is only a claim."""
    files = [folder.weights_path, folder.vocabulary_path]
    ids_path = folder.vocabulary_path.with_name(IDS_NAME)
    if ids_path.exists():
        files.append(ids_path)
    facts = b"clipcli folder\n" + canonical_numbers(folder.config)
    return remembered_digest(files, facts, lambda: _fingerprint(folder))


def _fingerprint(folder: ModelFolder) -> str:
    # Anybody can write a file that says what is shipped.
    is_builtin = folder.path == builtin_model_folder()
    return (shipped_fingerprint(folder) if is_builtin else None) or compute_fingerprint(folder)


def tokenizer_name(config: ModelConfig) -> str:
    """Return what a model folder's tokenizer is called."""
    is_siglip = isinstance(config.architecture, SiglipArchitecture)
    return TOKENIZER_NAME if is_siglip else MERGES_NAME


def write_model_folder(
    out: Path,
    tensors: Mapping[str, RawTensor],
    config: ModelConfig,
    vocabulary: Vocabulary | bytes,
    card: str,
    *,
    overwrite: bool = False,
) -> ModelFolder:
    """Write a model folder that appears whole or not at all.

    The configuration's fingerprint, logit scale and logit bias are filled in from what is written.

    Raises
    ------
    OutputExistsError
        If ``out`` is there already, unless ``overwrite`` and it is a model folder.
    OutputError
        If it cannot be written.
    """
    is_siglip = isinstance(config.architecture, SiglipArchitecture)
    assert is_siglip == isinstance(vocabulary, bytes)
    if (
        isinstance(vocabulary, Vocabulary)
        and len(vocabulary.ids) != config.architecture.text.vocab_size
    ):
        raise ModelError(
            f"{out}: the vocabulary has {len(vocabulary.ids):,} tokens, "
            f"the architecture {config.architecture.text.vocab_size:,}"
        )
    _check_free(out, overwrite=overwrite)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
            new = Path(scratch) / "new"
            _fill(new, tensors, config, vocabulary, card)
            _swap(new, out, Path(scratch) / "old")
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}") from error
    return open_model_folder(out)


def _fill(
    new: Path,
    tensors: Mapping[str, RawTensor],
    config: ModelConfig,
    vocabulary: Vocabulary | bytes,
    card: str,
) -> None:
    new.mkdir()
    write_tensors(new / WEIGHTS_NAME, tensors)
    if isinstance(vocabulary, bytes):
        (new / TOKENIZER_NAME).write_bytes(vocabulary)
    else:
        write_vocabulary(vocabulary, new / MERGES_NAME)
    (new / CARD_NAME).write_text(card, encoding="utf-8", newline="\n")
    scale, bias = _logits(new / WEIGHTS_NAME, config)
    config = replace(config, logit_scale=scale, logit_bias=bias)
    folder = ModelFolder(new, config, new / WEIGHTS_NAME, new / tokenizer_name(config))
    config = replace(config, fingerprint=compute_fingerprint(folder))
    data = json.dumps(config_to_dict(config), indent=2, ensure_ascii=False)
    (new / CONFIG_NAME).write_text(data + "\n", encoding="utf-8", newline="\n")


def _swap(new: Path, out: Path, old: Path) -> None:
    """Put ``new`` in the place of ``out``; folders cannot be replaced in one step everywhere."""
    if not out.exists():
        new.replace(out)
        return
    out.replace(old)
    try:
        new.replace(out)
    except OSError:
        old.replace(out)
        raise


def _check_free(out: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise OutputExistsError(f"{out}: already exists", hint="use --overwrite to replace it")
    if not (out / CONFIG_NAME).is_file():
        raise OutputExistsError(
            f"{out}: exists and is not a model folder, so it is not replaced",
            hint="choose another place",
        )


def logit_scale(logarithm: float, source: Path) -> float:
    """Return the scale of logits that weights have learned the logarithm of.

    Raises
    ------
    ModelError
        If no training could have led there.
    """
    if not abs(logarithm) < MAX_LOG_SCALE:  # nor is it, where it is not a number
        raise ModelError(f"{source}: logit_scale is {logarithm}, which makes no sense")
    return math.exp(logarithm)


def _logits(path: Path, config: ModelConfig) -> tuple[float, float]:
    """Read what the weights say about scale and bias: the scale itself, not its logarithm."""
    table = read_tensor_table(path)
    if "logit_scale" not in table:
        raise ModelError(f"{path}: there is no logit_scale: these are not CLIP's weights")
    scale = logit_scale(read_number(path, table["logit_scale"]), path)
    has_bias = config.architecture.logit_bias and "logit_bias" in table
    return scale, read_number(path, table["logit_bias"]) if has_bias else 0.0


def _check_logits(folder: ModelFolder) -> None:
    """Refuse a configuration that would score otherwise than the weights were trained to."""
    scale, bias = _logits(folder.weights_path, folder.config)
    for key, trained in (("logit_scale", scale), ("logit_bias", bias)):
        configured = getattr(folder.config, key)
        if not math.isclose(configured, trained, rel_tol=1e-6, abs_tol=1e-9):
            raise ModelError(
                f"{folder.path / CONFIG_NAME}: {key}: {configured} is not the weights' own, "
                f"{trained}"
            )


def _check_there(path: Path, name: str) -> None:
    if not (path / name).is_file():
        raise ModelError(f"{path}: not a whole model folder: {name} is missing")
