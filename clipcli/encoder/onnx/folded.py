"""Convolutions with batch norms folded in, for a graph beside the weights of a folder of ours.

Such a graph has no batch norms. What is left of one and of the convolution before it is worked out
here, by numpy, from what ``model.safetensors`` stores, and given to the session. A session that
folds 49 of them by itself takes twice the time to make, and a first answer waits for that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clipcli.errors import ModelError
from clipcli.models.formats.tensor_map import TensorPlan
from clipcli.strict_json import read_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECIPE_NAME = "image.json"
GIVEN = "given when the session is made"  # where such a graph says that its weights are
# What a weight of the graph is made of: the stored one, and the name and epsilon of the batch norm
# behind it. A bias is made of the norm alone.
Recipe: TypeAlias = dict[str, dict[str, Any]]


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write down beside a graph what its weights are made of."""
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(recipe[name])}" for name in recipe)
    path.write_text("{\n" + lines + "\n}\n", encoding="utf-8", newline="\n")


def read_recipe(path: Path) -> Recipe:
    """Read what :func:`write_recipe` wrote; it comes with clipcli, as the graph does."""
    recipe: Recipe = read_json(path, ModelError)
    return recipe


def fold(recipe: Recipe, plan: TensorPlan) -> Mapping[str, NDArray[np.float32]]:
    """Work out a graph's weights.

    The order of the operations is ONNX Runtime's own when it folds a batch norm into the
    convolution before it, in float32, so the rows are the same to the last bit.
    """
    import numpy as np

    from clipcli.encoder.numpy_text.tensors import TensorReader, shape_of

    stored = TensorReader(plan)
    scales: dict[str, NDArray[np.float32]] = {}

    def scale(norm: str, epsilon: float) -> NDArray[np.float32]:
        if norm not in scales:
            variance = stored.read(f"{norm}.running_var")
            scales[norm] = stored.read(f"{norm}.weight") / np.sqrt(variance + np.float32(epsilon))
        return scales[norm]

    # All in one array: the system gives it memory in large pieces, where it would take longer to
    # hand out 49 small ones than to fill them.
    shapes = {name: shape_of(plan[e["weight"]]) for name, e in recipe.items() if "weight" in e}
    room = np.empty(sum(map(math.prod, shapes.values())), np.float32)
    weights: dict[str, NDArray[np.float32]] = {}
    for name, entry in recipe.items():
        norm = entry["norm"]
        factor = scale(norm, entry["epsilon"])  # (c,)
        if "weight" in entry:
            n = math.prod(shapes[name])
            array, room = room[:n].reshape(shapes[name]), room[n:]
            stored.read_into(entry["weight"], array)
            array *= factor[:, None, None, None]
        else:
            array = stored.read(f"{norm}.bias") - stored.read(f"{norm}.running_mean") * factor
        weights[name] = array
    return weights
