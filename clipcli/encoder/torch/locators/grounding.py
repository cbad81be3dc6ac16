"""Grounding DINO: a picture and a caption in; boxes, and how well each token fits each, out.

Liu et al. 2023 (arXiv:2303.05499). MM-Grounding-DINO (Zhao et al. 2024, arXiv:2401.02361) scales
and shifts its logits and has heads of its own for every layer; LLMDet (Fu et al. 2025,
arXiv:2501.18954) is trained otherwise and computes the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipcli.encoder.torch.locators.bert import Bert
from clipcli.encoder.torch.locators.grounding_layers import (
    BoxPerceptron,
    DecoderLayer,
    EncoderLayer,
    Scene,
    Text,
    waves,
)
from clipcli.encoder.torch.locators.multiscale import Maps
from clipcli.encoder.torch.locators.swin import Swin
from clipcli.models.locators.grounding import GROUPS, GroundingArchitecture

EDGE = 1e-5  # boxes are kept this far from 0 and 1 before their logit is taken
LEAST, MOST = 0.01, 0.99  # of a cell's own box: those at the edge do not propose
FIRST_SIZE = 0.05  # of the box that a cell of the finest map proposes
PLACE_EPSILON = 1e-6


class TokenFit(nn.Module):
    """How well tokens fit: their products, in MM-Grounding-DINO scaled and shifted."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        self.scale = shape.channels**-0.5 if shape.is_mm else 1.0
        self.bias = nn.Parameter(torch.empty(())) if shape.is_mm else None

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Compare (n, c) with tokens (l, c): logits (n, l)."""
        logits = x @ tokens.T * self.scale
        return logits if self.bias is None else logits + self.bias


class GroundingEncoder(nn.Module):
    """The layers in which picture and text meet."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.encoder_layers))

    def forward(self, scene: Scene, text: Text) -> tuple[Tensor, Tensor]:
        """Return cells (m, c) and tokens (l, c)."""
        cells, tokens = scene.cells, text.tokens
        for layer in self.layers:
            cells, tokens = layer(cells, tokens, scene, text)
        return cells, tokens


class GroundingDecoder(nn.Module):
    """The layers in which queries find their boxes."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        width = shape.channels
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.decoder_layers))
        self.layer_norm = nn.LayerNorm(width)
        self.reference_points_head = BoxPerceptron(2 * width, width, width)

    def forward(
        self,
        queries: Tensor,
        boxes: Tensor,
        cells: Tensor,
        tokens: Tensor,
        maps: Maps,
        heads: nn.ModuleList,
    ) -> tuple[Tensor, Tensor]:
        """Return queries (q, c) and the boxes (q, 4) that the last layer started from.

        ``heads``, one a layer, move the boxes between layers.
        """
        n = queries.shape[1] // 2
        for i, layer in enumerate(self.layers):
            if i:
                boxes = (heads[i - 1](queries) + torch.logit(boxes, EDGE)).sigmoid()
            x, y, width, height = waves(boxes, n).unbind(1)
            places = self.reference_points_head(torch.cat([y, x, width, height], dim=1))
            queries = layer(queries, places, boxes, cells, tokens, maps)
        return self.layer_norm(queries), boxes


class GroundingDino(nn.Module):
    """The whole model, for one picture and one caption at a time."""

    def __init__(self, shape: GroundingArchitecture) -> None:
        super().__init__()
        width = shape.channels
        self.shape = shape
        self.backbone = Swin(shape, shape.first_stage)
        self.input_proj_vision = nn.ModuleList(_projections(shape))
        self.level_embed = nn.Parameter(torch.empty(shape.n_levels, width))
        self.text_backbone = Bert(shape)
        self.text_projection = nn.Linear(shape.text_width, width)
        self.encoder = GroundingEncoder(shape)
        self.enc_output = nn.Linear(width, width)
        self.enc_output_norm = nn.LayerNorm(width)
        self.encoder_output_class_embed = TokenFit(shape)
        self.encoder_output_bbox_embed = BoxPerceptron(width, width, width, 4)
        self.query_position_embeddings = nn.Embedding(shape.n_queries, width)
        self.decoder = GroundingDecoder(shape)
        n_layers = shape.decoder_layers
        self.class_embed = nn.ModuleList(TokenFit(shape) for _ in range(n_layers))
        self.bbox_embed = nn.ModuleList(
            BoxPerceptron(width, width, width, 4) for _ in range(n_layers)
        )

    def encode_image(self, pixels: Tensor) -> Scene:
        """Look at a picture (1, 3, h, w)."""
        maps = [each.float() for each in self.backbone(pixels)]
        levels: list[Tensor] = []
        for i, project in enumerate(self.input_proj_vision):
            # Further maps are made from Swin's last one, and from each other.
            source = maps[i] if i < len(maps) else maps[-1] if i == len(maps) else levels[-1]
            levels.append(project(source))
        sizes = [(level.shape[2], level.shape[3]) for level in levels]
        layout = Maps.of_sizes(sizes, pixels.device)
        places = [
            self._places(size, pixels.device) + embedded
            for size, embedded in zip(sizes, self.level_embed, strict=True)
        ]
        middles = torch.cat([_middles(size, pixels.device) for size in sizes])  # (m, 2) 0 to 1
        return Scene(
            cells=torch.cat([level[0].flatten(1).T for level in levels]),
            places=torch.cat(places),
            centres=middles[:, None] * layout.limits[:, 0] - 0.5,
            maps=layout,
        )

    def encode_text(self, tokens: Tensor, mask: Tensor, places: Tensor) -> Text:
        """Embed one caption: int64 (l,), bool (l, l), int64 (l,) counted within each phrase."""
        embedded = self.text_backbone(tokens[None], places, mask)[0]  # (l, d)
        waved = waves(places.float(), self.shape.channels)  # (l, c)
        return Text(self.text_projection(embedded), mask, waved)

    def read(self, scene: Scene, text: Text) -> tuple[Tensor, Tensor]:
        """Find boxes: logits (q, l), and centres and sizes (q, 4), 0 to 1."""
        cells, tokens = self.encoder(scene, text)
        boxes = self.propose(cells, tokens, scene.maps)
        queries = self.query_position_embeddings.weight[: len(boxes)]
        queries, boxes = self.decoder(queries, boxes, cells, tokens, scene.maps, self.bbox_embed)
        moved = self.bbox_embed[-1](queries) + torch.logit(boxes, EDGE)
        return self.class_embed[-1](queries, tokens), moved.sigmoid()

    def propose(self, cells: Tensor, tokens: Tensor, maps: Maps) -> Tensor:
        """Return the boxes (q, 4) that the cells whose best token fits best propose, best first."""
        own = torch.cat([_own_boxes(i, size, cells.device) for i, size in enumerate(maps.sizes)])
        is_inside = ((own > LEAST) & (own < MOST)).all(dim=1, keepdim=True)  # (m, 1)
        rows = self.enc_output_norm(self.enc_output(cells * is_inside))  # (m, c)
        best = self.encoder_output_class_embed(rows, tokens).amax(dim=1)  # (m,)
        chosen = best.topk(min(self.shape.n_queries, len(best))).indices  # (q,)
        moves = self.encoder_output_bbox_embed(rows[chosen])
        # Where there are fewer cells than queries, those at the edge are chosen too, and start from
        # the lower right corner.
        start = torch.logit(own[chosen]).masked_fill(~is_inside[chosen], torch.inf)
        proposed: Tensor = (moves + start).sigmoid()
        return proposed

    def _places(self, size: tuple[int, int], device: torch.device) -> Tensor:
        """Say where each of a map's cells lies: (h w, c)."""
        n, temperature = self.shape.channels // 2, self.shape.temperature
        down, across = (
            waves(
                torch.arange(1, k + 1, dtype=torch.float32, device=device) / (k + PLACE_EPSILON),
                n,
                temperature,
            )
            for k in size
        )  # (h, c/2), (w, c/2)
        grid = (*size, n)
        both = [down[:, None].expand(grid), across[None].expand(grid)]
        return torch.cat(both, dim=2).flatten(0, 1)


def _projections(shape: GroundingArchitecture) -> list[nn.Sequential]:
    """Bring every map to one width; maps that Swin does not have are halved on the way."""
    width, n = shape.channels, len(shape.depths)
    widths = [shape.width * 2**i for i in range(shape.first_stage, n)]
    convolutions = [nn.Conv2d(w, width, 1) for w in widths]
    for i in range(len(widths), shape.n_levels):
        source = widths[-1] if i == len(widths) else width
        convolutions.append(nn.Conv2d(source, width, 3, stride=2, padding=1))
    return [nn.Sequential(each, nn.GroupNorm(GROUPS, width)) for each in convolutions]


def _middles(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the middle of each cell of a map, across and down: (h w, 2), 0 to 1."""
    down, across = ((torch.arange(k, dtype=torch.float32, device=device) + 0.5) / k for k in size)
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y], dim=2).flatten(0, 1)


def _own_boxes(level: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the box that each cell of a map proposes before it looks: (h w, 4)."""
    middles = _middles(size, device)
    return torch.cat([middles, torch.full_like(middles, FIRST_SIZE * 2.0**level)], dim=1)
