"""What a run starts from: a model, an image trunk, or random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from clipcli.encoder.torch.load import load_model
from clipcli.encoder.torch.siglip import INITIAL_BIAS, INITIAL_SCALE
from clipcli.errors import ModelError, UsageError
from clipcli.models.config import (
    Architecture,
    ModelConfig,
    ModifiedResNet,
    Preprocessing,
    SiglipArchitecture,
    TextTransformer,
)
from clipcli.models.config_file import config_from_dict, config_to_dict
from clipcli.models.formats.efficientnet import is_trunk, read_trunk
from clipcli.models.formats.tensor_map import WeightsFile, read_weights
from clipcli.models.resolve import open_named
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.vocabulary import Vocabulary, read_vocabulary
from clipcli.training.config import Loss, TrainingConfig
from clipcli.training.student import Student
from clipcli.training.trunk import trunk_model, trunk_weights

# Stands where an architecture from the configuration is about to be put.
NO_ARCHITECTURE = Architecture(
    1, ModifiedResNet(32, 1, (1, 1, 1, 1), 1), TextTransformer(1, 1, 1, 1, 1, 1), "gelu"
)


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with; ``weights`` are absent where they are to be drawn."""

    model: ModelConfig
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor] | None
    origin: str  # for the model card
    has_new_logits: bool = False  # scale and bias begin as in SigLIP's paper
    has_new_head: bool = False  # on a trunk: no way leads half back to where it began

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the texts."""
        return Tokenizer(self.vocabulary, self.model.architecture.text.context_length)

    def student(self, n_classes: int, seed: int) -> Student:
        """Build the network; what is drawn depends on the seed alone."""
        assert isinstance(self.model.architecture, Architecture)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            student = Student(self.model.architecture, n_classes)
        if self.weights is not None:
            new = {"logit_bias": torch.tensor(INITIAL_BIAS)} if self.has_new_logits else {}
            student.clip.load_state_dict({**self.weights, **new})
        if self.has_new_logits:
            assert student.clip.logit_bias is not None
            with torch.no_grad():
                student.clip.logit_scale.fill_(math.log(INITIAL_SCALE))
                student.clip.logit_bias.fill_(INITIAL_BIAS)
        return student

    def for_loss(self, loss: Loss | None) -> tuple[Start, Loss]:
        """Return what a run with this loss begins with, and the loss; None: as the model scores.

        A model that has learned no bias yet gets one, and a new scale that goes with it.
        """
        chosen = loss or self.model.scoring
        scoring: Literal["softmax", "sigmoid"] = "sigmoid" if chosen == "sigmoid" else "softmax"
        model, architecture = replace(self.model, scoring=scoring), self.model.architecture
        assert isinstance(architecture, Architecture)
        if scoring == "softmax" or (self.weights is not None and architecture.logit_bias):
            return replace(self, model=model), chosen
        model = replace(model, architecture=replace(architecture, logit_bias=True))
        return replace(self, model=model, has_new_logits=True), chosen


def starting_point(config: TrainingConfig, init: str | None) -> Start:
    """Open the model that the run starts from, or make up one as the configuration says."""
    if config.architecture is None and (found := find_trunk(init)):
        return _from_trunk(found, config)
    if config.architecture is None:
        source = open_named(init)
        if isinstance(source.config.architecture, SiglipArchitecture):
            raise ModelError(f"{source.path}: is a SigLIP model; training starts from CLIP's alone")
        weights = load_model(source).state_dict()
        vocabulary = read_vocabulary(source.tokenizer_path)
        return Start(source.config, vocabulary, weights, f"the model {source.config.name}")
    if init is not None:
        raise UsageError(
            f"init {init!r}: the configuration has an `architecture` to start from",
            hint="leave out one of them",
        )
    vocabulary = read_vocabulary(Path(config.vocabulary))
    model = _model_from(config.architecture, config.preprocessing, len(vocabulary.ids))
    return Start(model, vocabulary, None, "random weights")


def find_trunk(init: str | None) -> WeightsFile | None:
    """Return the file that ``init`` names if it holds an image trunk alone."""
    path = Path(init).expanduser() if init else None
    if path is None or not path.is_file():
        return None
    file = read_weights(path)
    return file if is_trunk(file) else None


def _from_trunk(file: WeightsFile, config: TrainingConfig) -> Start:
    reader = open_named()
    trunk = read_trunk(file)
    model = trunk_model(trunk, reader)
    weights = trunk_weights(trunk, model, reader, config.seed, str(file.path))
    origin = f"the trunk {file.path.name} and the text tower of {reader.config.name}"
    vocabulary = read_vocabulary(reader.tokenizer_path)
    return Start(model, vocabulary, weights, origin, has_new_head=True)


def _model_from(
    architecture: Mapping[str, Any], preprocessing: Mapping[str, Any], vocab_size: int
) -> ModelConfig:
    """Read an architecture strictly; what follows from elsewhere may be left out of it."""
    image, text = architecture.get("image"), architecture.get("text")
    size = image.get("image_size", 224) if isinstance(image, dict) else 224
    text = {"vocab_size": vocab_size, **text} if isinstance(text, dict) else text
    blank = ModelConfig("new", NO_ARCHITECTURE, Preprocessing(size), logit_scale=1.0)
    plain = config_to_dict(blank)
    plain["architecture"] = {"logit_bias": False, **architecture, "text": text}
    plain["preprocessing"] |= preprocessing
    return config_from_dict(plain, "configuration")
