"""How far the probabilities hold on sources that a head was trained without.

    python -m finish.strangers --vectors work/vectors --head work/left_out.pt --reader MODEL \
        --sources SOURCE ...

The logit scale is chosen on all but one of the sources and judged on that one, each in turn; the
last line is about all of them together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from finish.calibrate import calibration_error
from train.head import text_rows

from clipcli.encoder.encoder import load_encoder
from clipcli.encoder.torch.efficientnet import EmbeddingHead

SCALES = np.arange(6, 40, 0.5)
SURE = 0.8


class Source:
    """One source's cosines to its own names (n, c), and the number of the right name (n,)."""

    def __init__(self, features: np.ndarray, captions: list[str], tools: Tools) -> None:
        names = sorted(set(captions))
        with torch.inference_mode():
            embedded = F.normalize(tools.head(torch.tensor(features.astype(np.float32))), dim=1)
            self.cosines = embedded @ text_rows(tools.encoder, names).T
        self.right = torch.tensor([names.index(caption) for caption in captions])

    def loss(self, scale: float) -> float:
        """Return the mean negative log-likelihood."""
        return float(F.cross_entropy(scale * self.cosines, self.right))

    def answers(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the top probabilities, and which answers are right."""
        tops, chosen = F.softmax(scale * self.cosines, dim=1).max(dim=1)
        return tops.numpy(), (chosen == self.right).numpy()


class Tools:
    """The head that is judged, and the text tower."""

    def __init__(self, head: Path, reader: str) -> None:
        state = torch.load(head, weights_only=True)
        self.head = EmbeddingHead(*map(len, (state["widen.bias"], state["proj.bias"])))
        self.head.load_state_dict(state)
        self.encoder = load_encoder(reader, "cpu")


def read_sources(folder: Path, wanted: list[str], tools: Tools) -> dict[str, Source]:
    """Read the parts of data/vectors.py, these sources alone."""
    features: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    captions: dict[str, list[str]] = {name: [] for name in wanted}
    for path in sorted(folder.glob("part-*.npz")):
        with np.load(path) as part:
            for name in wanted:
                own = part["source"] == name
                features[name].append(part["features"][own])
                captions[name] += [text.split("|")[0] for text in part["captions"][own]]
    return {name: Source(np.concatenate(features[name]), captions[name], tools) for name in wanted}


def best_scale(sources: list[Source]) -> float:
    """Return the scale with the least mean loss, each source counting alike."""
    losses = [np.mean([source.loss(scale) for source in sources]) for scale in SCALES]
    return float(SCALES[int(np.argmin(losses))])


def main() -> None:
    """Print a line a source, and one about all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--head", type=Path, required=True, help="trained with --leave-out")
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--sources", nargs="+", required=True)
    options = parser.parse_args()
    sources = read_sources(options.vectors, options.sources, Tools(options.head, options.reader))
    for name, source in sources.items():
        scale = best_scale([other for other in sources.values() if other is not source])
        tops, right = source.answers(scale)
        error = calibration_error(tops, right)
        print(f"{name}: right {right.mean():.3f}, scale {scale}, calibration error {error:.3f}")
    scale = best_scale(list(sources.values()))
    pairs = [source.answers(scale) for source in sources.values()]
    tops, right = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    sure = tops >= SURE
    print(
        f"all: scale {scale}, calibration error {calibration_error(tops, right):.3f}; "
        f"{sure.mean():.2f} have {SURE} or more, and of those {right[sure].mean():.3f} are right"
    )


if __name__ == "__main__":
    main()
