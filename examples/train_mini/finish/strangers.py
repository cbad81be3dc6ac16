"""How far the probabilities hold on sources that a head was trained without.

    python -m finish.strangers --vectors work/vectors --head work/left_out.pt --trunk TRUNK.pth \
        --reader MODEL --sources SOURCE ...

With ``--maps work/maps --tail work/left_out_tail.pt`` in the place of vectors and head, the trunk's
last stages are judged as well. The logit scale is chosen on all but one of the sources, by their
mean calibration error, and judged on that one, each in turn; the last line is about all of them
together, and its scale is the one for the model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from data.maps import FIRST_STAGES
from data.vectors import BATCH, SIZE_PX, Trunk
from finish.calibrate import calibration_error
from torch import Tensor
from train.head import text_rows
from train.matrices import LastStages

from clipcli.encoder.encoder import load_encoder
from clipcli.encoder.torch.efficientnet import EmbeddingHead

SCALES = np.arange(6, 40, 0.5)
SURE = 0.8


class Source:
    """One source's cosines to its own names (n, c), and the number of the right name (n,)."""

    def __init__(self, seen: np.ndarray, captions: list[str], tools: Tools) -> None:
        names = sorted(set(captions))
        self.cosines = tools.embed(seen) @ text_rows(tools.encoder, names).T
        self.right = torch.tensor([names.index(caption) for caption in captions])

    def error(self, scale: float) -> float:
        """Return the calibration error."""
        return calibration_error(*self.answers(scale))

    def answers(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the top probabilities, and which answers are right."""
        tops, chosen = F.softmax(scale * self.cosines, dim=1).max(dim=1)
        return tops.numpy(), (chosen == self.right).numpy()


class Tools:
    """The head that is judged, the stages before it if they are too, and the text tower."""

    def __init__(self, options: argparse.Namespace) -> None:
        state = torch.load(options.tail or options.head, weights_only=True)
        head = state["head"] if options.tail else state
        self.head = EmbeddingHead(*map(len, (head["widen.bias"], head["proj.bias"])))
        self.head.load_state_dict(head)
        self.stages: LastStages | None = None
        if options.tail:
            tower = Trunk(options.trunk).tower
            tower.load_state_dict(state["stages"], strict=False)
            self.stages = LastStages(tower, FIRST_STAGES, side=SIZE_PX // 16)
        self.encoder = load_encoder(options.reader, "cpu")

    @torch.inference_mode()
    def embed(self, seen: np.ndarray) -> Tensor:
        """Return unit rows (n, d) for features (n, 1280), or for maps (n, c, h, w)."""
        rows = []
        for start in range(0, len(seen), BATCH):
            part = torch.tensor(seen[start : start + BATCH].astype(np.float32))
            features = self.stages(part.flatten(2)) if self.stages else part
            rows.append(F.normalize(self.head(features), dim=1))
        return torch.cat(rows)


def read_sources(folder: Path, wanted: list[str], tools: Tools) -> dict[str, Source]:
    """Read the parts of data/vectors.py or data/maps.py, these sources alone."""
    seen: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    captions: dict[str, list[str]] = {name: [] for name in wanted}
    for path in sorted(folder.glob("part-*.npz")):
        with np.load(path) as part:
            all_seen = part["maps"][:, 0] if tools.stages else part["features"]
            for name in wanted:
                own = part["source"] == name
                seen[name].append(all_seen[own])
                captions[name] += [text.split("|")[0] for text in part["captions"][own]]
    return {name: Source(np.concatenate(seen[name]), captions[name], tools) for name in wanted}


def best_scale(sources: list[Source]) -> float:
    """Return the scale with the least mean calibration error, each source counting alike."""
    errors = [np.mean([source.error(scale) for source in sources]) for scale in SCALES]
    return float(SCALES[int(np.argmin(errors))])


def main() -> None:
    """Print a line a source, and one about all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunk", type=Path, required=True)
    seen = parser.add_mutually_exclusive_group(required=True)
    seen.add_argument("--vectors", type=Path, help="with --head")
    seen.add_argument("--maps", type=Path, help="with --tail")
    judged = parser.add_mutually_exclusive_group(required=True)
    judged.add_argument("--head", type=Path, help="trained with --leave-out")
    judged.add_argument("--tail", type=Path, help="likewise")
    parser.add_argument("--reader", required=True, help="model whose text tower it is")
    parser.add_argument("--sources", nargs="+", required=True)
    options = parser.parse_args()
    if bool(options.maps) != bool(options.tail):
        parser.error("--vectors goes with --head, --maps with --tail")
    sources = read_sources(options.maps or options.vectors, options.sources, Tools(options))
    errors = []
    for name, source in sources.items():
        scale = best_scale([other for other in sources.values() if other is not source])
        errors.append(source.error(scale))
        share = source.answers(scale)[1].mean()
        print(f"{name}: right {share:.3f}, scale {scale}, calibration error {errors[-1]:.3f}")
    print(f"mean of the calibration errors: {np.mean(errors):.3f}")
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
