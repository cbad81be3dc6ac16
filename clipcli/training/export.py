"""The end of a run: the finished model folder and its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from clipcli.encoder.torch.load import stored_tensors
from clipcli.encoder.torch.resize import resize_positions
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import write_model_folder
from clipcli.training.config import TrainingConfig
from clipcli.training.init import Start
from clipcli.training.state import TrainingState
from clipcli.training.student import is_clip
from clipcli.version import __version__


def write_model(
    out: Path,
    state: TrainingState,
    start: Start,
    config: TrainingConfig,
    n_pictures: int,
    scores: Mapping[str, float],
) -> ModelFolder:
    """Write the weights as the run would use them now, at the model's own picture size."""
    clip = {
        name.removeprefix("clip."): tensor.cpu()
        for name, tensor in state.finished().items()
        if is_clip(name)
    }
    native = start.model.architecture.image.image_size
    clip = resize_positions(clip, state.student.architecture, native)
    dtype = torch.float16 if config.storage == "fp16" else torch.float32
    name = config.name or out.parent.name or out.name
    source = f"trained with clipcli {__version__} from {start.origin}"
    model = replace(
        start.model,
        name=name,
        licence=config.licence,
        source=source,
        fingerprint="",
    )
    card = model_card(name, state, start, config, n_pictures, scores)
    tensors = stored_tensors(clip, dtype)
    return write_model_folder(out, tensors, model, start.vocabulary, card, overwrite=True)


def _blend_in_words(blend: float | None) -> str:
    if blend is None or blend == 1:
        return "as trained"
    return f"{blend:.0%} of the way from the start to the trained ones"


def model_card(
    name: str,
    state: TrainingState,
    start: Start,
    config: TrainingConfig,
    n_pictures: int,
    scores: Mapping[str, float],
) -> str:
    """Say in Markdown what the model is and how it came about."""
    seen = state.step * config.batch_size
    text_tower = {
        "contrastive": "trained together with the image tower",
        "targets": "as it was at the start: the image tower alone was trained",
    }[config.objective]
    scored = [f"- {set_name}: {value:.1%}" for set_name, value in scores.items()]
    lines = [
        f"# {name}",
        "",
        f"Trained with clipcli {__version__} on {datetime.now(UTC):%Y-%m-%d}.",
        "",
        f"- Start: {start.origin}",
        f"- Data: {n_pictures:,} pictures, {seen:,} seen in {state.step:,} steps",
        f"- Objective: {config.objective}, batch {config.batch_size}",
        f"- Learning rate: {config.optimiser.lr:g}",
        f"- Text tower: {text_tower}",
        f"- Weights: {_blend_in_words(config.blend)}",
        f"- Time: {state.seconds / 60:.0f} minutes of training",
        f"- Licence: {config.licence or 'none stated'}",
        "",
        "## Zero-shot top-1 on pictures that were held out",
        "",
        *(scored or ["Not measured."]),
        "",
    ]
    return "\n".join(lines)
