"""Tiny models and data: a few thousand weights, pictures of one colour or two."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clipcli.models.tokenizer.vocabulary import Vocabulary, write_vocabulary

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "yellow": (230, 220, 40),
    "black": (10, 10, 10),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "purple": (140, 30, 160),
}


def tiny_architecture(image_size: int = 32) -> dict[str, object]:
    return {
        "embed_dim": 8,
        "image": {
            "kind": "resnet",
            "image_size": image_size,
            "width": 4,
            "layers": [1, 1, 1, 1],
            "heads": 2,
        },
        "text": {"context_length": 16, "width": 8, "layers": 1, "heads": 2, "mlp_width": 16},
        "activation": "gelu",
    }


def write_packed(folder: Path, n: int, size: int = 40, stem: str = "pictures") -> Path:
    """Pack noisy pictures of one colour each; concepts are the colours, then "thing"."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(7)
    names = list(COLOURS)
    pictures = np.empty((n, size, size, 3), dtype=np.uint8)
    lines = ["source\tpath\tsplit\trole\tcaptions\tconcepts"]
    for row in range(n):
        name = names[row % len(names)]
        noise = draw.normal(0, 20, (size, size, 3))
        pictures[row] = np.clip(np.array(COLOURS[name]) + noise, 0, 255)
        concepts = f"{names.index(name)},{len(names)}"
        lines.append(f"colours\t{row}.png\ttrain\ttrain\t{name}\t{concepts}")
    np.save(folder / f"{stem}.npy", pictures)
    (folder / f"{stem}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = write_packed(tmp_path / "packed", 64)
    return write_packed(folder, 16, stem="eval_pictures")


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "merges.txt"
    write_vocabulary(Vocabulary.from_merges([("r", "e"), ("re", "d</w>")]), path)
    return path


@pytest.fixture
def teacher(tmp_path: Path) -> dict[str, str]:
    """Write vectors for the colours and a tree of concepts in which each is a thing."""
    texts = [*COLOURS, "thing"]
    vectors = np.random.default_rng(3).normal(size=(len(texts), 8)).astype(np.float32)
    np.savez(tmp_path / "vectors.npz", texts=np.array(texts), vectors=vectors)
    nodes = [{"names": [text]} for text in texts]
    classes = [{"node": i, "true_nodes": [i, len(COLOURS)]} for i in range(len(COLOURS))]
    tree = {"nodes": nodes, "classes": classes}
    (tmp_path / "concepts.json").write_text(json.dumps(tree), encoding="utf-8")
    return {
        "vectors": str(tmp_path / "vectors.npz"),
        "concepts": str(tmp_path / "concepts.json"),
    }
