"""Which runner serves: this process, a Ray of its own, or a cluster that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from clipcli.workflows.fleet.cluster import WorkerWishes, is_running
from clipcli.workflows.fleet.on_ray import RayRunner
from clipcli.workflows.fleet.recipe import Recipe
from clipcli.workflows.fleet.runner import InlineRunner, Runner

AUTO, NONE = "auto", "none"


@dataclass(frozen=True, slots=True)
class Crew:
    """What the options say about workers."""

    ray: str  # none, local, auto, or an address
    wishes: WorkerWishes

    def runner(self, recipe: Recipe, plan_hash: str, say: Callable[[str], None]) -> Runner:
        """Return what does the shards.

        Ray takes ten seconds to begin and a gigabyte of memory; one worker on one machine is
        faster without.
        """
        address = self.ray
        if address == AUTO:
            wants_several = self.wishes.least > 1
            if find_spec("ray") is None or not is_running():
                address = "local" if wants_several or _n_cards(self.wishes) > 1 else NONE
        if address == NONE:
            return InlineRunner(recipe, plan_hash)
        return RayRunner(recipe, plan_hash, address, self.wishes, say)


def _n_cards(wishes: WorkerWishes) -> int:
    """Count the GPUs of this machine, if workers may use several."""
    from clipcli.encoder.engines import may_have_card

    wants = wishes.device == "auto" or wishes.device.startswith("cuda")
    if not wants or wishes.most == 1 or wishes.n_gpus == 0 or not may_have_card():
        return 0
    import torch

    return torch.cuda.device_count()
