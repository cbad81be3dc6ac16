"""Classify a folder with OpenCLIP as its users do: its model, its transforms, a torch DataLoader.

``python open_clip_loader.py FOLDER WEIGHTS [--precision fp32|amp_bf16] [--workers 2] [--batch 32]``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

START = time.perf_counter()

import torch  # noqa: E402
import vision_library  # noqa: E402
from PIL import Image  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

vision_library.prepare()

import open_clip  # noqa: E402


class Pictures(Dataset):  # type: ignore[type-arg]
    def __init__(self, folder: Path, transform: object) -> None:
        self.paths, self.transform = sorted(folder.iterdir()), transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[str, torch.Tensor]:
        path = self.paths[index]
        return str(path), self.transform(Image.open(path))  # type: ignore[operator]


def main() -> None:
    options = _options()
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")
    model, _, transform = open_clip.create_model_and_transforms(
        "ViT-B-32-quickgelu", pretrained=str(options.weights)
    )
    model.eval()
    amp = torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "amp_bf16")
    with torch.inference_mode(), amp:
        texts = model.encode_text(tokenizer([f"a photo of a {label}." for label in options.labels]))
        texts /= texts.norm(dim=-1, keepdim=True)
        loader = DataLoader(
            Pictures(options.folder, transform), options.batch, num_workers=options.workers
        )
        for paths, pixels in loader:
            rows = model.encode_image(pixels)
            rows /= rows.norm(dim=-1, keepdim=True)
            chances = (100.0 * rows @ texts.T).softmax(dim=-1)
            for path, row in zip(paths, chances, strict=True):
                print(path, options.labels[int(row.argmax())], f"{float(row.max()):.6f}", sep="\t")
            print(f"# {time.perf_counter() - START:.3f} s", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--labels", type=lambda told: told.split(","), default=["cat", "dog"])
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    return parser.parse_args()


if __name__ == "__main__":
    main()
