"""This file knows about the golden files that come from OpenCLIP.

https://github.com/mlfoundations/open_clip is not among the development dependencies (it wants
torchvision), so this is run by hand where it is installed: ``python make_openclip.py``. The tests
take only the formulas from here. It writes beside itself

* ``keys/*.txt``: each released model's tensors, a line ``name axes`` each, from OpenCLIP's own
  configurations on the meta device;
* ``openclip_towers.json``: embeddings of small models with weights that a formula gives.

Last run with open_clip 3.3.0 and torch 2.13.0.
"""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
RELEASED = [
    *("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"),
    *("ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336"),
]
TEXT = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2}
TOWERS = {
    "vit-quick-gelu": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": 32, "patch_size": 8, "width": 48, "head_width": 16, "layers": 3,
        },
        "text_cfg": TEXT,
    },
    "vit-gelu": {
        "embed_dim": 24,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": 32, "patch_size": 16, "width": 64, "head_width": 32, "layers": 2,
        },
        "text_cfg": TEXT,
    },
    "resnet": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 96, "layers": [2, 1, 3, 1], "width": 8, "head_width": 32},
        "text_cfg": TEXT,
    },
}  # fmt: skip


def formula(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a tensor's values: a wave whose phase is the name's, of a fit size."""
    wave = np.sin(np.arange(math.prod(shape)) * 1.7 + zlib.crc32(name.encode()) % 1000)
    wave = wave.reshape(shape)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return 1 + 0.3 * wave  # variances and gains
    if len(shape) < 2:
        return 0.1 * wave  # biases, means, the class token
    return wave * math.prod(shape[1:]) ** -0.5 * 1.4


def pixels(size: int) -> np.ndarray:
    """Return two pictures as the network takes them, (2, 3, s, s)."""
    return np.sin(np.arange(2 * 3 * size * size) * 0.37).reshape(2, 3, size, size) * 1.5


def tokens() -> np.ndarray:
    """Return two texts of unequal length, (2, 16): start 62, end 63, padding 0."""
    texts = np.zeros((2, 16), dtype=np.int64)
    texts[0, :6] = [62, 5, 17, 40, 3, 63]
    texts[1] = [62, *range(1, 15), 63]
    return texts


def write_keys(name: str) -> None:
    import open_clip

    path = Path(open_clip.__file__).parent / "model_configs" / f"{name}.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    with torch.device("meta"):
        model = open_clip.model.CLIP(**config)
    lines = [
        f"{key} {'x'.join(map(str, tensor.shape)) or 'scalar'}\n"
        for key, tensor in sorted(model.state_dict().items())
        if not key.endswith("num_batches_tracked")
    ]
    (HERE / "keys" / f"{name}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")


@torch.inference_mode()
def run_tower(config: dict) -> dict:
    import open_clip

    model = open_clip.model.CLIP(**config).eval()
    state = model.state_dict()
    for name, tensor in state.items():
        if not name.endswith(("num_batches_tracked", "logit_scale")):
            tensor.copy_(torch.from_numpy(formula(name, tuple(tensor.shape))))
    images = model.encode_image(
        torch.from_numpy(pixels(config["vision_cfg"]["image_size"])).float()
    )
    texts = model.encode_text(torch.from_numpy(tokens()))
    return {"images": images.tolist(), "texts": texts.tolist()}


if __name__ == "__main__":
    for released in RELEASED:
        write_keys(released)
    towers = {name: run_tower(config) for name, config in TOWERS.items()}
    told = json.dumps(towers, indent=1)
    (HERE / "openclip_towers.json").write_text(told + "\n", encoding="utf-8", newline="\n")
