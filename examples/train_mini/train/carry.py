"""Carry a run over to other captions, or to targets that begin or cease to move.

    python -m train.carry --config old.yaml --data DIR --next new.yaml [--next-data DIR] \
        --image checkpoints --out checkpoints

The auxiliary classifier and the shift of the targets have a row for each concept and common
caption. Rows are moved by what they stand for, the optimiser's moments with them.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcli.training.build import make_student
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.config import TrainingConfig
from clipcli.training.config_file import read_config
from clipcli.training.data.packed import open_packed
from clipcli.training.init import Start, starting_point
from clipcli.training.mini import TargetTable, make_targets
from clipcli.training.parameter_groups import parameter_groups
from clipcli.training.state import frozen_prefixes
from clipcli.training.student import Student

BY_ROW = ("classifier.weight", "classifier.bias", "text_shift")
KEEP = 2  # checkpoints in the folder


def newest(path: Path) -> Path:
    """Return the checkpoint, or the newest one of a folder."""
    return checkpoint_paths(path)[-1] if path.is_dir() else path


@dataclass(frozen=True, slots=True)
class Run:
    """What a configuration and a data set make together."""

    config: TrainingConfig
    start: Start
    table: TargetTable
    student: Student

    @property
    def keys(self) -> list[int | str]:
        """What each fixed row stands for: a concept's number, or a caption."""
        captions = {row: text for text, row in self.table.captions.items()}
        return [captions.get(row, row) for row in range(self.table.n_fixed)]

    @property
    def n_concepts(self) -> int:
        """How many rows are concepts."""
        return len(self.table.vectors) - len(self.table.captions)

    def optimiser(self) -> tuple[list[str], dict[str, Any]]:
        """Return the parameters' names in the optimiser's order, and a state without memory."""
        settings = self.config.optimiser
        self.student.freeze(frozen_prefixes(self.config))
        groups = parameter_groups(self.student, settings.weight_decay, settings.layer_decay)
        optimiser = torch.optim.AdamW(groups, lr=settings.lr)
        name = {parameter: name for name, parameter in self.student.named_parameters()}
        order = [name[p] for group in optimiser.param_groups for p in group["params"]]
        return order, optimiser.state_dict()


def open_run(config: Path, data: Path) -> Run:
    """Read a configuration and build what belongs to it, weights at random."""
    settings = read_config(config)
    start = starting_point(settings, None)
    table = make_targets(open_packed(data), start, settings)
    if table is None:
        raise SystemExit(f"{config}: its objective has no text targets")
    return Run(settings, start, table, make_student(start, settings, table))


def carry(state: dict[str, Any], old: Run, new: Run) -> dict[str, Any]:
    """Return a checkpoint of the old run as one of the new run."""
    if old.n_concepts != new.n_concepts:
        raise SystemExit(f"{old.n_concepts} concepts became {new.n_concepts}: not the same file")
    place = {key: row for row, key in enumerate(old.keys)}
    rows = torch.tensor([place.get(key, -1) for key in new.keys])  # (n_fixed,), -1: new
    average = state["average"]
    return state | {
        "config": asdict(new.config),
        "student": weights(state["student"], new.student, rows),
        "optimiser": moments(state["optimiser"], old, new, rows),
        "average": None if average is None else weights(average, new.student, rows),
    }


def weights(found: dict[str, Tensor], student: Student, rows: Tensor) -> dict[str, Tensor]:
    """Return the student's tensors: as found, rows in their new places, or as they begin.

    A new class starts as the mean of all: their weights have nearly all in common, and one that
    starts without it costs the run a hundred steps.
    """
    fresh = student.state_dict()
    kept = {name: found.get(name, tensor) for name, tensor in fresh.items()}
    for name in BY_ROW:
        if name in kept and name in found:
            fill = torch.zeros(()) if name == "text_shift" else found[name].mean(dim=0)
            kept[name] = in_new_rows(found[name], rows, fill)
    return kept


def moments(saved: dict[str, Any], old: Run, new: Run, rows: Tensor) -> dict[str, Any]:
    """Return the optimiser's state; what was not trained before has no memory."""
    order, _ = old.optimiser()
    memory = {order[i]: own for i, own in saved["state"].items()}
    order, state = new.optimiser()
    state["state"] = {i: memory[name] for i, name in enumerate(order) if name in memory}
    for i, own in state["state"].items():
        if order[i] in BY_ROW:
            mean = own["exp_avg_sq"].mean(dim=0)
            state["state"][i] = own | {
                "exp_avg": in_new_rows(own["exp_avg"], rows, torch.zeros(())),
                "exp_avg_sq": in_new_rows(own["exp_avg_sq"], rows, mean),
            }
    return state


def in_new_rows(tensor: Tensor, rows: Tensor, fill: Tensor) -> Tensor:
    """Return row ``rows[i]`` at i, and ``fill`` where there was none: (n, ...)."""
    moved = tensor[rows.clamp(min=0)]
    moved[rows < 0] = fill
    return moved


def write(folder: Path, state: dict[str, Any]) -> Path:
    """Write a checkpoint that was read and changed."""
    rest = {key: value for key, value in state.items() if key not in ("format", "step")}
    return write_checkpoint(folder, state["step"], rest, KEEP)


def main() -> None:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--next", type=Path, required=True, help="the configuration to go on with")
    parser.add_argument("--next-data", type=Path, help="where it is other data")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    old = open_run(arguments.config, arguments.data)
    new = open_run(arguments.next, arguments.next_data or arguments.data)
    state = read_checkpoint(newest(arguments.image))
    print(f"{old.table.n_fixed} rows became {new.table.n_fixed}")
    print(write(arguments.out, carry(state, old, new)))


if __name__ == "__main__":
    main()
