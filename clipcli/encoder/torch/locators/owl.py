"""OWL-ViT: CLIP's towers, and two small heads on every patch.

Minderer et al. 2022 (arXiv:2205.06230), section 3; OWLv2 (2023, arXiv:2306.09683) adds a head that
says whether a patch holds an object at all. Every patch proposes one box, near its own place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.vision import VisionTower
from clipcli.models.locators.owl import OwlArchitecture

LENGTH_EPSILON = 1e-6  # added to the length of a vector before dividing by it
LOGIT_EPSILON = 1e-4  # keeps the logit of a patch at the edge finite


class Perceptron(nn.Module):
    """Three layers with GELU between them."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__()
        self.dense0 = nn.Linear(width, width)
        self.dense1 = nn.Linear(width, width)
        self.dense2 = nn.Linear(width, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the last axis: (…, width) -> (…, width_out)."""
        transformed: Tensor = self.dense2(F.gelu(self.dense1(F.gelu(self.dense0(x)))))
        return transformed


class ClassHead(nn.Module):
    """Cosines of patches and queries, with a shift and a scale that each patch says itself."""

    def __init__(self, width: int, query_width: int) -> None:
        super().__init__()
        self.dense0 = nn.Linear(width, query_width)
        self.logit_shift = nn.Linear(width, 1)
        self.logit_scale = nn.Linear(width, 1)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read patches (n, p, width): unit rows (n, p, d), shifts and scales (n, p, 1) each."""
        scale = F.elu(self.logit_scale(patches)) + 1  # positive
        return unit(self.dense0(patches)), self.logit_shift(patches), scale


class OwlDetector(nn.Module):
    """The whole model; the towers' tensors lie under ``clip``."""

    def __init__(self, architecture: OwlArchitecture) -> None:
        super().__init__()
        clip = architecture.clip
        width = architecture.image.width
        self.architecture = architecture
        self.clip = CLIP(clip)
        self.layer_norm = nn.LayerNorm(width)
        self.class_head = ClassHead(width, clip.text.width)
        self.box_head = Perceptron(width, 4)
        self.objectness_head = Perceptron(width, 1) if architecture.has_objectness else None

    def encode_queries(self, tokens: Tensor) -> Tensor:
        """Embed token ids: int64 (c, l) -> unit rows (c, d)."""
        return F.normalize(self.clip.encode_text(tokens), dim=1)

    def encode_patches(self, pixels: Tensor) -> Tensor:
        """Embed normalised pixels: float (n, 3, h, w) -> patches (n, p, width)."""
        tower = self.clip.visual
        assert isinstance(tower, VisionTower)
        tokens = tower.ln_post(encode_tokens(tower, pixels))  # (n, 1 + p, width)
        first, patches = tokens[:, :1], tokens[:, 1:]
        normed: Tensor = self.layer_norm(patches * first)
        return normed

    def boxes(self, patches: Tensor) -> Tensor:
        """Return each patch's box as centre and size, 0 to 1: (n, p, width) -> (n, p, 4)."""
        bias = box_bias(self.architecture.grid, patches.device)  # (p, 4)
        return torch.sigmoid(self.box_head(patches).float() + bias)

    def read(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is compared with queries: patches (p, width) -> (p, d), and (p, 6).

        The six are shift and scale of the cosine, and the box as centre and size.
        """
        rows, shift, scale = self.class_head(patches)
        boxes = self.boxes(patches[None])[0]  # (p, 4)
        return rows, torch.cat([shift, scale, boxes], dim=1)


def encode_tokens(tower: VisionTower, pixels: Tensor) -> Tensor:
    """Run an image tower up to its last block: (n, 3, h, w) -> (n, 1 + p, width)."""
    x = tower.conv1(pixels).flatten(2).transpose(1, 2)  # (n, p, width)
    first = tower.class_embedding.expand(x.shape[0], 1, -1)  # (n, 1, width)
    x = torch.cat([first, x], dim=1) + tower.positional_embedding  # (n, 1 + p, width)
    tokens: Tensor = tower.transformer(tower.ln_pre(x))
    return tokens


def box_bias(grid: int, device: torch.device) -> Tensor:
    """Return what is added to the box head's output, so that zero means the patch's own place.

    Subtle: the reference puts a patch's centre at its right lower corner, (i + 1) / grid.
    """
    ends = torch.arange(1, grid + 1, dtype=torch.float32, device=device) / grid  # (g,)
    y, x = torch.meshgrid(ends, ends, indexing="ij")  # (g, g) each
    centres = torch.stack([x, y], dim=-1).view(-1, 2)  # (p, 2)
    sizes = torch.full_like(centres, 1 / grid)
    place = torch.cat([centres, sizes], dim=1)  # (p, 4)
    return torch.log(place + LOGIT_EPSILON) - torch.log1p(-place + LOGIT_EPSILON)


def unit(x: Tensor) -> Tensor:
    """Bring the last axis to the length of one, as the reference does."""
    scaled: Tensor = x / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) + LENGTH_EPSILON)
    return scaled
