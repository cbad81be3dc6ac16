"""A run's state on disk: whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from clipcli.errors import ModelError

FORMAT = 1


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step-*.pt"))


def write_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint by way of a temporary file, then remove those past ``keep``.

    A crash or a full disk leaves the earlier ones as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, "step": step, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for old in checkpoint_paths(folder)[: -max(1, keep)]:
        old.unlink()
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler meets
        raise ModelError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__})",
            hint="remove it to go on from the one before",
        ) from error
    if state.get("format") != FORMAT:
        raise ModelError(f"{path}: a checkpoint of another version of clipcli")
    return state
