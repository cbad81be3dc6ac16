"""GLIP: a picture and a sentence in; for every anchor a box and how well each token fits it.

Li et al. 2022 (arXiv:2112.03857). Module names are those of the released files, so that these load
without renaming.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clipcli.encoder.torch.locators.bert import Bert, BertLayer
from clipcli.encoder.torch.locators.dyhead import DynamicConvolution
from clipcli.encoder.torch.locators.fusion import Fusion
from clipcli.encoder.torch.locators.pyramid import Pyramid
from clipcli.encoder.torch.locators.swin import Swin
from clipcli.models.locators.glip import GlipArchitecture

N_LEVELS = 5  # strides 8 to 128
LARGEST_LOGIT = 50_000.0


@dataclass(frozen=True, slots=True)
class Level:
    """What the head says about the cells of one map, row by row."""

    moves: Tensor  # (m, 4) from each cell's anchor
    centerness: Tensor  # (m,) logits
    fits: Tensor  # (m, l) logits, how well each token fits
    size: tuple[int, int]  # cells, height and width


class Scale(nn.Module):
    """One learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(1))


class GlipHead(nn.Module):
    """The tower, in which image and text meet, and what is read from it."""

    def __init__(self, shape: GlipArchitecture) -> None:
        super().__init__()
        channels, width = shape.channels, shape.text_width
        tower: list[nn.Module] = []
        for _ in range(shape.tower_depth):
            if shape.is_fused:
                tower.append(Fusion(channels, width))
                tower.append(BertLayer(width, shape.text_heads, shape.text_mlp_width))
            tower.append(DynamicConvolution(channels))
        self.dyhead_tower = nn.ModuleList(tower)
        self.bbox_pred = nn.Conv2d(channels, 4, 1)
        self.centerness = nn.Conv2d(channels, 1, 1)
        self.dot_product_projection_text = nn.Linear(width, channels)
        self.log_scale = nn.Parameter(torch.empty(1))
        self.bias_lang = nn.Parameter(torch.empty(width))
        self.bias0 = nn.Parameter(torch.empty(1))
        self.scales = nn.ModuleList(Scale() for _ in range(N_LEVELS))

    def forward(self, levels: list[Tensor], text: Tensor) -> list[Level]:
        """Read maps, each (1, c, h, w), with a text's tokens (l, d)."""
        for part in self.dyhead_tower:
            if isinstance(part, Fusion):
                levels, text = part(levels, text)
            elif isinstance(part, BertLayer):
                text = part(text[None])[0]
            else:
                levels = part(levels)
        unit = F.normalize(text, dim=1)  # (l, d)
        tokens = self.dot_product_projection_text(unit / 2) / self.log_scale.exp()  # (l, c)
        bias = unit @ self.bias_lang + self.bias0  # (l,)
        return [self._level(x, i, tokens, bias) for i, x in enumerate(levels)]

    def _level(self, x: Tensor, i: int, tokens: Tensor, bias: Tensor) -> Level:
        scale = self.scales[i]
        assert isinstance(scale, Scale)
        fits = torch.addmm(bias, x[0].flatten(1).T, tokens.T)  # (m, l)
        return Level(
            moves=(self.bbox_pred(x) * scale.scale)[0].flatten(1).T,
            centerness=self.centerness(x).flatten(),
            fits=fits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT),
            size=(x.shape[2], x.shape[3]),
        )


class Anchors(nn.Module):
    """One box a level, around the middle of the first cell; files carry them."""

    def __init__(self) -> None:
        super().__init__()
        self.cell_anchors = nn.Module()
        for i in range(N_LEVELS):
            self.cell_anchors.register_buffer(str(i), torch.empty(1, 4))

    def of_level(self, i: int) -> Tensor:
        """Return a level's anchor, (4,)."""
        return self.cell_anchors.get_buffer(str(i))[0]


class Glip(nn.Module):
    """The whole model, for one picture at a time."""

    def __init__(self, shape: GlipArchitecture) -> None:
        super().__init__()
        widths = [shape.width * 2**i for i in range(1, len(shape.depths))]
        self.backbone = nn.ModuleDict({"body": Swin(shape), "fpn": Pyramid(widths, shape.channels)})
        self.language_backbone = nn.ModuleDict({"body": nn.ModuleDict({"model": Bert(shape)})})
        self.rpn = nn.ModuleDict({"head": GlipHead(shape), "anchor_generator": Anchors()})

    def encode_image(self, pixels: Tensor) -> list[Tensor]:
        """Return a picture's pyramid: (1, 3, h, w) -> five maps, each (1, c, h/s, w/s)."""
        levels: list[Tensor] = self.backbone["fpn"](self.backbone["body"](pixels))
        return levels

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed one text: int64 (l,) -> (l, d)."""
        body = self.language_backbone["body"]
        assert isinstance(body, nn.ModuleDict)
        embedded: Tensor = body["model"](tokens[None])[0]
        return embedded

    def read(self, levels: list[Tensor], text: Tensor) -> list[Level]:
        """Let the head look at a picture's pyramid with a text in mind."""
        found: list[Level] = self.rpn["head"](levels, text)
        return found

    def anchor(self, i: int) -> Tensor:
        """Return the anchor of a level's first cell, (4,), in pixels."""
        anchors = self.rpn["anchor_generator"]
        assert isinstance(anchors, Anchors)
        return anchors.of_level(i)
