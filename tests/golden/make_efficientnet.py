"""Write efficientnet_lite0.npz: what the reference implementation makes of weights from a formula.

    python make_efficientnet.py     with the package efficientnet-lite-pytorch 0.1.0

The weights are sines, so that they need not be kept; names and shapes are the package's own.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

SIZE_PX = 64


def formula_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a tensor of that name: sines whose phase is the name's, float32."""
    n = int(np.prod(shape))
    phase = zlib.crc32(name.encode("ascii")) % 1000
    waves = np.sin(0.37 * np.arange(n, dtype=np.float64) + phase).reshape(shape)
    if name.endswith("running_var"):
        waves = 1 + 0.3 * waves
    elif len(shape) > 1:
        waves *= (4 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):
        waves = 1.2 + 0.2 * waves
    else:
        waves *= 0.1
    return np.asarray(waves, np.float32)


def formula_pixels() -> np.ndarray:
    """Return two normalised pictures, float32 (2, 3, 64, 64)."""
    return formula_tensor("pixels.running_mean", (2, 3, SIZE_PX, SIZE_PX)) * np.float32(40)


def main() -> None:
    """Run the reference and write its mean features, names and shapes."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    reference = EfficientNet.from_name("efficientnet-lite0", image_size=SIZE_PX).eval()
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in reference.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    state = {name: torch.tensor(formula_tensor(name, shape)) for name, shape in shapes.items()}
    reference.load_state_dict(state, strict=False)
    with torch.inference_mode():
        features = reference.extract_features(torch.tensor(formula_pixels()))
    np.savez_compressed(
        Path(__file__).with_name("efficientnet_lite0.npz"),
        features=features.mean(dim=(2, 3)).numpy(),  # (2, 1280)
        names=np.array(list(shapes)),
        shapes=np.array(["x".join(map(str, shape)) for shape in shapes.values()]),
    )


if __name__ == "__main__":
    main()
