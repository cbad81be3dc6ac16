"""Where a text tower starts: as the best sum of its words.

To say what a short text means, adding up a fixed vector for each of its tokens goes a long way,
and the best such vectors are a least-squares problem, solved in seconds. The tower is then set so
that it computes just this sum, and training only has to learn what a sum cannot say.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.encoder.torch.text import TextTower

ANCHOR = 1.5  # beside content of length 1 on average; see ``start_as_sum``
ANCHORS = 2  # the last two numbers of the stream


def fit_token_vectors(
    ids: Sequence[Sequence[int]],
    targets: Tensor,
    weights: Tensor,
    n_tokens: int,
    ridge: float = 3.0,
    iterations: int = 30,
) -> Tensor:
    """Return a vector for each token, so that a text's mean over its tokens is near its target.

    ``targets`` (n, d) and ``weights`` (n,) go with the n texts of ``ids``. Returns (n_tokens, d).
    The normal equations are solved by conjugate gradients (Hestenes & Stiefel 1952): the matrix
    that counts tokens is never written out.
    """
    counts = torch.tensor([len(row) for row in ids])  # (n,)
    tokens = torch.tensor([token for row in ids for token in row], dtype=torch.int64)  # (t,)
    texts = torch.repeat_interleave(torch.arange(len(ids)), counts)  # (t,)
    share = counts.clamp(min=1).float().rsqrt()[:, None]  # (n, 1): long texts vary less
    weight = share * weights.float()[:, None]  # (n, 1)
    by_token = texts[tokens.argsort()]  # (t,)
    text_ends, token_ends = counts.cumsum(0), tokens.bincount(minlength=n_tokens).cumsum(0)

    def texts_of(rows: Tensor) -> Tensor:
        return share * _sums(rows, tokens, text_ends)  # (n_tokens, d) -> (n, d)

    def tokens_of(rows: Tensor) -> Tensor:
        return _sums(weight * rows, by_token, token_ends)  # (n, d) -> (n_tokens, d)

    solution = torch.zeros(n_tokens, targets.shape[1])
    residual = tokens_of(targets)  # (n_tokens, d)
    direction, length = residual.clone(), residual.square().sum()
    for _ in range(iterations):
        image = tokens_of(texts_of(direction)) + ridge * direction
        step = length / (direction * image).sum().clamp(min=1e-30)
        solution += step * direction
        residual -= step * image
        length, before = residual.square().sum(), length
        direction = residual + length / before.clamp(min=1e-30) * direction
    return solution


def _sums(rows: Tensor, chosen: Tensor, ends: Tensor) -> Tensor:
    """Add up the chosen rows, a run of them at a time; ``ends`` are where the runs end."""
    starts = F.pad(ends[:-1], (1, 0))
    return F.embedding_bag(chosen, rows, starts, mode="sum")


@torch.no_grad()
def start_as_sum(tower: TextTower, token_vectors: Tensor) -> None:
    """Set a tower so that it gives the direction of the sum of its tokens' vectors (v, d).

    The first attention looks at all tokens alike and passes them on; all other blocks begin as
    their shortcuts. Subtle: layer norms would make every token equally long, "a" as loud as
    "zebra". Two constant numbers in each embedding, opposite and larger than the rest, fix what
    the norms divide by, so that lengths survive.
    """
    width = tower.token_embedding.embedding_dim
    content = min(width - ANCHORS, token_vectors.shape[1])
    rows = token_vectors[:, :content]  # (v, content)
    rows = rows / rows.norm(dim=1).mean().clamp(min=1e-6)
    tower.token_embedding.weight.zero_()
    tower.token_embedding.weight[:, :content] = rows
    tower.token_embedding.weight[:, -2] = ANCHOR
    tower.token_embedding.weight[:, -1] = -ANCHOR
    tower.positional_embedding.mul_(0.1)
    eye = F.pad(torch.eye(content), (0, width - content, 0, width - content))  # (width, width)
    for number in range(len(tower.transformer.resblocks)):
        block = f"transformer.resblocks.{number}"
        tower.get_parameter(f"{block}.mlp.c_proj.weight").zero_()
        tower.get_parameter(f"{block}.attn.out_proj.weight").copy_(eye if number == 0 else 0 * eye)
    first = tower.get_parameter("transformer.resblocks.0.attn.in_proj_weight")  # q, k, v
    first.mul_(0.1)
    first[2 * width :] = eye
    tower.text_projection.zero_()
    tower.text_projection[:content, :content] = torch.eye(content)
