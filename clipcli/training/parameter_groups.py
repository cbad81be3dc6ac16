"""Which parameters decay, and how fast each of them learns.

A trained tower's first layers hold what all pictures share and its last ones what a task asks for,
so each layer learns slower than the one above it (Howard & Ruder 2018, section 3.1; Clark et al.
2020, section 3.2, in its plain form).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

BLOCK = re.compile(r"(transformer\.resblocks\.|layer|blocks\.)(\d+)\.(?:(\d+)\.)?")
BOTTOM = re.compile(
    r"(conv(?!_head)|bn|class_embedding|positional_embedding|token_embedding|ln_pre)"
)
STAGES = ("layer", "blocks.")  # of a ResNet and of an EfficientNet
TOWERS = {"image": "clip.visual.", "text": "clip."}
NEITHER = ("clip.logit_scale", "clip.logit_bias", "classifier.")


def parameter_groups(
    model: nn.Module, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, object]]:
    """Split what is trained into matrices, which decay, and all else, which does not.

    Gains, biases, embeddings, positions and the logit scale stay out: pulling them to zero
    changes what the network computes and regularises nothing (Radford et al. 2021, section 2.5).
    Layers that learn slower than others come apart as well; ``factor`` is theirs.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    factors = rate_factors((name for name, _ in model.named_parameters()), layer_decay)
    return [
        {
            "params": [
                parameter
                for name, parameter in trained.items()
                if factors[name] == factor and has_decay(name, parameter) == decays
            ],
            "weight_decay": weight_decay if decays else 0.0,
            "factor": factor,
        }
        for factor in sorted(set(factors.values()), reverse=True)
        for decays in (True, False)
    ]


def has_decay(name: str, parameter: Tensor) -> bool:
    """Tell whether weight decay applies to a parameter."""
    return parameter.ndim >= 2 and "embedding" not in name


def rate_factors(names: Iterable[str], decay: float) -> dict[str, float]:
    """Return what the learning rate of each parameter of a student is multiplied by.

    The last layer of each tower and all that is in neither have 1, each layer below ``decay`` times
    that of the layer above.
    """
    known = list(names)
    factors = dict.fromkeys(known, 1.0)
    if decay == 1:
        return factors
    for places in (_places(known, "image"), _places(known, "text")):
        order = sorted(set(places.values()))
        for name, place in places.items():
            factors[name] = decay ** (len(order) - 1 - order.index(place))
    return factors


def _places(names: Iterable[str], tower: str) -> Mapping[str, tuple[int, ...]]:
    """Return sortable places, low to high, of a tower's parameters."""
    begin, image = TOWERS[tower], TOWERS["image"]
    places: dict[str, tuple[int, ...]] = {}
    # An EfficientNet's second norm of its own is its last, a ResNet's belongs to its stem.
    is_efficient = f"{begin}conv_head.weight" in names
    last = {"bn2.weight", "bn2.bias"} if is_efficient else set()
    for name in names:
        is_there = name.startswith(begin) and (tower == "image" or not name.startswith(image))
        if not is_there or name.startswith(NEITHER):
            continue
        inner = name.removeprefix(begin)
        if block := BLOCK.match(inner):
            # Convolutions' blocks are numbered in their stage; a transformer has one row of them.
            stage = block[1] in STAGES
            places[name] = (1, int(block[2]), int(block[3]) if stage else 0)
        else:
            places[name] = (0,) if BOTTOM.match(inner) and inner not in last else (2,)
    return places
