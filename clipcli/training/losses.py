"""Losses of pictures against the texts of their batch, or fixed ones.

All take unit rows and return float32 scalars.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.training.config import EqualCaptions


def contrastive_loss(
    images: Tensor, texts: Tensor, scale: Tensor, groups: Tensor, equal_captions: EqualCaptions
) -> Tensor:
    """Average the cross-entropies of rows and columns (Radford et al. 2021, figure 3).

    ``images`` and ``texts`` are (n, d); ``groups`` int64 (n,) numbers the captions, so that equal
    captions have equal numbers. Such pairs are, by ``equal_captions``: further right answers that
    share the target evenly, left out of the sum, or wrong answers as in the paper.
    """
    logits = scale * (images @ texts.T).float()  # (n, n)
    same = groups[:, None] == groups[None, :]  # (n, n), the diagonal included
    own = torch.eye(len(groups), dtype=torch.bool, device=same.device)
    if equal_captions == "negatives":
        same = own
    if equal_captions == "mask":
        logits = logits.masked_fill(same & ~own, -torch.inf)
        same = own
    # Subtle: ``same`` is symmetric and its rows sum as its columns do, so one target serves both.
    target = same / same.sum(dim=1, keepdim=True)  # (n, n), rows sum to 1
    rows = _soft_cross_entropy(logits, target)
    columns = _soft_cross_entropy(logits.T, target)
    return (rows + columns) / 2


def sigmoid_loss(
    images: Tensor,
    texts: Tensor,
    scale: Tensor,
    bias: Tensor,
    groups: Tensor,
    equal_captions: EqualCaptions,
) -> Tensor:
    """Ask of each pair alone whether it belongs together (Zhai et al. 2023, algorithm 1).

    Arguments are as for :func:`contrastive_loss`; further right answers count as much as the pair
    itself. The sum over all pairs is divided by the number of pictures.
    """
    logits = scale * (images @ texts.T).float() + bias  # (n, n)
    same = groups[:, None] == groups[None, :]  # (n, n), the diagonal included
    own = torch.eye(len(groups), dtype=torch.bool, device=same.device)
    right = same if equal_captions == "positives" else own
    said = F.logsigmoid(torch.where(right, logits, -logits))  # (n, n)
    if equal_captions == "mask":
        said = said.masked_fill(same & ~own, 0.0)
    return -said.sum() / len(groups)


def _soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    log_probability = logits.log_softmax(dim=1)
    # A masked logit has log-probability -inf and target 0, whose product would be NaN.
    return -torch.where(target > 0, target * log_probability, 0.0).sum(dim=1).mean()


def masked_cross_entropy(logits: Tensor, target: Tensor, ignored: Tensor) -> Tensor:
    """Cross-entropy of each row over the candidates that are not ``ignored``.

    ``logits`` (n, c), ``target`` int64 (n,), ``ignored`` bool (n, c) -> (n,). The target itself
    always counts.
    """
    ignored = ignored.scatter(1, target[:, None], value=False)  # (n, c)
    logits = logits.float().masked_fill(ignored, -torch.inf)
    return F.cross_entropy(logits, target, reduction="none")


def top1(logits: Tensor, target: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return the share of rows whose largest logit that is not ignored is the target's."""
    if ignored is not None:
        ignored = ignored.scatter(1, target[:, None], value=False)
        logits = logits.masked_fill(ignored, -torch.inf)
    return (logits.argmax(dim=1) == target).float().mean()
