"""Training a text tower: a corpus and settings in, a tower or model out.

The corpus brings the teacher's vectors along, or the teacher is a model's own text tower: then what
comes out is that model with a smaller tower, or one that reads another language.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipcli.encoder.torch.device import has_fast_bf16
from clipcli.encoder.torch.load import load_model, stored_tensors
from clipcli.errors import InputError, ModelError, OutputExistsError
from clipcli.models.config import Architecture, TextTransformer
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import write_model_folder
from clipcli.models.resolve import open_named
from clipcli.models.source import ModelSource
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.learn import learn_vocabulary
from clipcli.models.tokenizer.vocabulary import (
    MERGES_NAME,
    Vocabulary,
    read_vocabulary,
    write_vocabulary,
)
from clipcli.training.lock import locked
from clipcli.training.log import Advance, Say
from clipcli.training.text.config import TextConfig
from clipcli.training.text.corpus import Corpus, open_corpus
from clipcli.training.text.distil import DistilConfig, distil
from clipcli.training.train import use_threads
from clipcli.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_EPOCHS = 20.0


def train_text(
    corpus: Path,
    out: Path,
    config: TextConfig,
    *,
    model: str | None = None,
    say: Say = print,
    advance: Advance | None = None,
) -> ModelFolder | None:
    """Distil a text tower, or go on from ``out/checkpoints``.

    With a ``model``, ``out/model`` is that model with the new tower in the place of its own.

    Raises
    ------
    InputError
        If the corpus cannot be used.
    DivergedError
        If the loss stops being a number.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, with the state kept.
    """
    use_threads()
    with ExitStack() as stack:
        stack.enter_context(locked(out))
        source = _open_teacher(model, out)
        texts = open_corpus(corpus, source, config.templates)
        _check_corpus(texts, config, source, corpus)
        vocabulary = _vocabulary(config, texts, out, say)
        settings = _settings(config, texts, vocabulary, source)
        tokenizer = Tokenizer(vocabulary, config.context_length)
        tower = distil(texts, tokenizer, settings, out, say, advance)
        if source is None:
            return None
        return _write(out / "model", source, tower.state_dict(), vocabulary, settings, config)


def _open_teacher(model: str | None, out: Path) -> ModelSource | None:
    if model is None:
        return None
    source = open_named(model)
    if not isinstance(source.config.architecture, Architecture):
        raise ModelError(f"{source.path}: is a SigLIP model; a text tower is made for CLIP's alone")
    if (out / "model").exists() and not (out / "checkpoints").exists():
        raise OutputExistsError(
            f"{out / 'model'}: already exists, and {out} has no run to go on with",
            hint="choose another --out",
        )
    return source


def _check_corpus(
    texts: Corpus, config: TextConfig, source: ModelSource | None, path: Path
) -> None:
    n_trained = len(texts.texts) - round(config.held_out * len(texts.texts))
    if config.batch_size > n_trained:
        raise InputError(
            f"batch_size {config.batch_size}: {path} has only {n_trained} texts to train on",
            hint="lower --batch-size or add texts",
        )
    width = texts.vectors.shape[1]
    if source is not None and width != source.config.architecture.embed_dim:
        raise InputError(
            f"{path}: vectors have {width} numbers, those of {source.config.name} "
            f"{source.config.architecture.embed_dim}"
        )


def _vocabulary(config: TextConfig, texts: Corpus, out: Path, say: Say) -> Vocabulary:
    """Read the vocabulary, or learn it once and keep it: learning it anew gives another one."""
    if config.vocabulary:
        return read_vocabulary(Path(config.vocabulary))
    kept = out / MERGES_NAME
    if not kept.exists():
        say(f"learning a vocabulary from {len(texts.texts):,} texts: {kept}")
        write_vocabulary(learn_vocabulary(texts.texts, config.merges), kept)
    return read_vocabulary(kept)


def _settings(
    config: TextConfig, texts: Corpus, vocabulary: Vocabulary, source: ModelSource | None
) -> DistilConfig:
    steps = config.steps
    if steps is None and config.minutes is None:
        epochs = DEFAULT_EPOCHS if config.epochs is None else config.epochs
        steps = max(1, math.ceil(epochs * len(texts.texts) / config.batch_size))
    shape = TextTransformer(
        config.context_length,
        len(vocabulary.ids),
        config.width,
        config.layers,
        config.heads,
        config.mlp_width,
    )
    return DistilConfig(
        shape,
        config.templates,
        activation=source.config.architecture.activation if source else config.activation,
        seed=config.seed,
        minutes=config.minutes,
        steps=steps,
        batch_size=config.batch_size,
        held_out=round(config.held_out * len(texts.texts)),
        precision="bf16" if has_fast_bf16() else "fp32",
        optimiser=config.optimiser,
    )


def _write(
    out: Path,
    source: ModelSource,
    tower: Mapping[str, Tensor],
    vocabulary: Vocabulary,
    settings: DistilConfig,
    config: TextConfig,
) -> ModelFolder:
    architecture = source.config.architecture
    assert isinstance(architecture, Architecture)
    kept = {
        name: tensor
        for name, tensor in load_model(source).state_dict().items()
        if name.startswith(("visual.", "logit_"))
    }
    name = config.name or out.parent.name
    model = replace(
        source.config,
        name=name,
        architecture=replace(architecture, text=settings.text),
        licence=config.licence,
        source=f"{source.config.name} with a text tower taught by clipcli {__version__}",
        fingerprint="",
    )
    card = "\n".join(
        [
            f"# {name}",
            "",
            f"The image tower of {source.config.name}; a text tower that learned its vectors, made",
            f"with clipcli {__version__}: {asdict(settings.text)}.",
            "",
        ]
    )
    tensors = stored_tensors({**kept, **tower})
    return write_model_folder(out, tensors, model, vocabulary, card, overwrite=True)
