"""The head on a frozen trunk, trained against a text tower that stays (LiT: arXiv:2111.07991).

    python -m train.head --vectors work/vectors --reader MODEL --trunk TRUNK.pth --out work/head.pt

A picture is to find its name among all names that training pictures have; what else is true of it
is no mistake, and frequent names are discounted by the root of how frequent they are. More than
half of the loss asks for the trunk's own 1,000 ImageNet probabilities, given to the names of these
classes, so that things which no source shows are not forgotten (ConSE: Norouzi et al. 2014,
arXiv:1312.5650).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from data.names import Concepts
from torch import Tensor

from clipcli.encoder.encoder import load_encoder
from clipcli.encoder.torch.efficientnet import EmbeddingHead
from clipcli.encoder.torch.tensors import gather
from clipcli.labels.templates import load_templates
from clipcli.models.formats.tensor_map import as_they_are, read_weights

DATA = Path(__file__).parents[1] / "data"
HIDDEN, BATCH = 2048, 256
SCALE = 20.0  # fixed; a learned one overfits to the names
NEAR = 0.95  # texts this close to the target are not its negatives
FORBIDDEN = -1e4


@dataclass(frozen=True, slots=True)
class Course:
    """How a head is trained. The second course makes kinds as sure as things: "animal", "tool"."""

    steps: int = 4000
    rate: float = 2e-3
    soft: float = 0.6  # share of the loss that the trunk's own probabilities have
    general: float = 0.2  # share of pictures whose target is a more general concept


FIRST, SECOND = Course(), Course(1000, 6e-4, 0.5, 0.45)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Features (n, 1280) float16, and what is true of each picture, as rows of the names."""

    features: np.ndarray
    own: list[list[int]]  # the picture's own names
    general: list[list[int]]  # what these are kinds of
    names: list[str]


def read_pictures(folder: Path, leave_out: set[str]) -> Pictures:
    """Read the parts of data/vectors.py, without some sources."""
    features, captions, numbers = [], [], []
    alike = set((folder / "likeness.txt").read_text(encoding="ascii").split())
    for path in sorted(folder.glob("part-*.npz")):
        with np.load(path) as part:
            kept = (part["role"] == "train") & ~np.isin(part["source"], list(leave_out))
            kept &= [f"{path.stem}:{row}" not in alike for row in range(len(kept))]
            features.append(part["features"][kept])
            captions += part["captions"][kept].tolist()
            numbers += part["concepts"][kept].tolist()
    return named_pictures(np.concatenate(features), captions, numbers)


def named_pictures(features: np.ndarray, captions: list[str], numbers: list[str]) -> Pictures:
    """Return pictures with their names: captions "a|b", and concepts "3,17" as they are stored."""
    concepts = Concepts(DATA / "concepts.json")
    row_of: dict[str, int] = {}
    own, general = [], []
    for told, kinds in zip(captions, numbers, strict=True):
        nodes = [concepts.names[int(n)] for n in kinds.split(",") if n]
        names = told.split("|")
        own.append([row_of.setdefault(name, len(row_of)) for name in names])
        more = [name for node in nodes for name in node[:1] if name not in names]
        general.append([row_of.setdefault(name, len(row_of)) for name in more])
    return Pictures(features, own, general, list(row_of))


def text_rows(encoder: object, names: list[str]) -> Tensor:
    """Return unit rows (c, d): each name in the default templates."""
    templates = load_templates("photo")
    prompts = [template.replace("{}", name) for name in names for template in templates]
    rows = torch.tensor(encoder.encode_texts(prompts))  # type: ignore[attr-defined]
    return F.normalize(rows.view(len(names), len(templates), -1).mean(dim=1), dim=1)


def read_classifier(trunk: Path) -> tuple[Tensor, Tensor]:
    """Return weight (1000, 1280) and bias of the trunk file's own classifier."""
    state = gather(as_they_are(read_weights(trunk).table))
    name = "_fc" if "_fc.weight" in state else "classifier"
    return state[f"{name}.weight"].float(), state[f"{name}.bias"].float()


def balance(pictures: Pictures, share: float) -> Tensor:
    """Return what is added to each name's logit in training: half the log of its frequency."""
    counts = np.full(len(pictures.names), 0.5)
    for own, general in zip(pictures.own, pictures.general, strict=True):
        counts[own[0]] += 1 - share
        counts[general] += share / max(len(general), 1)
    return torch.tensor(0.5 * np.log(counts / counts.mean()), dtype=torch.float32).clamp(min=-2)


class Targets:
    """What each picture of a batch is to find, and which names are no mistake."""

    def __init__(self, pictures: Pictures, texts: Tensor, general: float, seed: int) -> None:
        self.pictures, self.general = pictures, general
        self.near = texts @ texts.T > NEAR  # (c, c)
        self.draw = np.random.default_rng(seed)

    def of(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return targets (n,) and a mask (n, c): true where a name is also true."""
        chosen = []
        also = torch.zeros(len(batch), len(self.near), dtype=torch.bool)
        for row, picture in enumerate(batch):
            own, general = self.pictures.own[picture], self.pictures.general[picture]
            target = own[0] if self.draw.random() < 0.6 else int(self.draw.choice(own))
            if general and self.draw.random() < self.general:
                target = int(self.draw.choice(general))
            also[row] = self.near[target]
            also[row, own + general] = True
            also[row, target] = False
            chosen.append(target)
        return torch.tensor(chosen), also


class Head:
    """A head for features that are brought to zero mean and unit spread."""

    def __init__(self, features: np.ndarray, embed_dim: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        rows = np.random.default_rng(seed).integers(len(features), size=20_000)
        sample = features[rows].astype(np.float32)
        self.mean = torch.tensor(sample.mean(axis=0))
        self.spread = torch.tensor(sample.std(axis=0) + 0.01)
        self.network = EmbeddingHead(HIDDEN, embed_dim)
        torch.nn.init.normal_(self.network.proj.weight, std=0.02)
        torch.nn.init.normal_(self.network.narrow.weight, std=0.01)

    def embed(self, features: Tensor) -> Tensor:
        """Return unit rows (n, d), a tenth of the features dropped."""
        x = F.dropout((features - self.mean) / self.spread, 0.1)
        return F.normalize(self.network(x), dim=1)


def train(
    head: Head,
    course: Course,
    pictures: Pictures,
    texts: Tensor,
    imagenet: Tensor,
    classifier: tuple[Tensor, Tensor],
) -> None:
    """Train a head by one course."""
    draw = np.random.default_rng(course.steps)
    optimiser = torch.optim.AdamW(
        head.network.parameters(), lr=course.rate, betas=(0.9, 0.98), weight_decay=0.02
    )
    targets = Targets(pictures, texts, course.general, course.steps)
    prior = balance(pictures, course.general)
    began = time.monotonic()
    for step in range(course.steps):
        warm, cosine = (
            min(1.0, (step + 1) / 60),
            0.5 + 0.5 * math.cos(math.pi * step / course.steps),
        )
        optimiser.param_groups[0]["lr"] = course.rate * warm * cosine
        batch = draw.integers(len(pictures.features), size=BATCH)
        x = torch.tensor(pictures.features[batch].astype(np.float32))  # (n, 1280)
        with torch.no_grad():
            own = F.softmax(F.linear(x, *classifier), dim=1)  # (n, 1000)
        chosen, also = targets.of(batch)
        embedded = head.embed(x)  # (n, d)
        logits = SCALE * embedded @ texts.T + prior  # (n, c)
        named = F.cross_entropy(logits.masked_fill(also, FORBIDDEN), chosen)
        likely = F.log_softmax(SCALE * embedded @ imagenet.T, dim=1)  # (n, 1000)
        soft = -(own * likely).sum(dim=1).mean()
        loss = (1 - course.soft) * named + course.soft * soft
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 250 == 0:
            print(f"step {step}: {loss.item():.3f}, {time.monotonic() - began:.0f} s", flush=True)


@torch.no_grad()
def folded(head: EmbeddingHead, mean: Tensor, spread: Tensor) -> EmbeddingHead:
    """Return the head for features as the trunk gives them."""
    for linear in (head.proj, head.widen):
        linear.weight /= spread
        linear.bias -= linear.weight @ mean
    return head.eval()


def main() -> None:
    """Train and write the head's state."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("vectors", "trunk", "imagenet-names", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources kept for a judgement")
    options = parser.parse_args()
    encoder = load_encoder(options.reader, "cpu")
    pictures = read_pictures(options.vectors, set(options.leave_out))
    classes = json.loads(options.imagenet_names.read_text(encoding="utf-8"))  # 1,000, in order
    texts, imagenet = text_rows(encoder, pictures.names), text_rows(encoder, classes)
    head, classifier = Head(pictures.features, texts.shape[1]), read_classifier(options.trunk)
    for course in (FIRST, SECOND):
        train(head, course, pictures, texts, imagenet, classifier)
    torch.save(folded(head.network, head.mean, head.spread).state_dict(), options.out)


if __name__ == "__main__":
    main()
