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
    return _matching_loss(logits, logits.T, groups, equal_captions)


def token_loss(
    places: Tensor,
    words: Tensor,
    is_word: Tensor,
    scale: Tensor,
    groups: Tensor,
    equal_captions: EqualCaptions,
) -> Tensor:
    """Match pictures and captions by their parts (Yao et al. 2021, arXiv:2111.07783, section 3.1).

    A picture is as like a caption as its places' best words are like them, in the mean; a caption
    is as like a picture as its words' best places. Each has its own cross-entropy.

    Parameters
    ----------
    places, words
        Unit rows of pictures' places (n, p, d) and of captions' tokens (n, l, d).
    is_word
        bool (n, l): which tokens are there, and not padding.
    scale, groups, equal_captions
        As for :func:`contrastive_loss`.
    """
    by_picture, by_caption = token_similarities(places, words, is_word)
    return _matching_loss(scale * by_picture, scale * by_caption.T, groups, equal_captions)


def token_similarities(places: Tensor, words: Tensor, is_word: Tensor) -> tuple[Tensor, Tensor]:
    """Return what pictures and what captions think of each other, float32 (n, m) each."""
    cosines = torch.einsum("ipd,jld->ijpl", places, words).float()  # (n, m, p, l)
    there = is_word[None, :, None]  # (1, m, 1, l)
    by_picture = cosines.masked_fill(~there, -torch.inf).amax(dim=3).mean(dim=2)  # (n, m)
    best_places = cosines.amax(dim=2).masked_fill(~is_word[None], 0.0)  # (n, m, l)
    by_caption = best_places.sum(dim=2) / is_word.sum(dim=1)  # (n, m)
    return by_picture, by_caption


def _matching_loss(
    rows: Tensor, columns: Tensor, groups: Tensor, equal_captions: EqualCaptions
) -> Tensor:
    """Average the cross-entropies of two tables of logits (n, n), a row a picture or a caption."""
    same = groups[:, None] == groups[None, :]  # (n, n), the diagonal included
    own = torch.eye(len(groups), dtype=torch.bool, device=same.device)
    if equal_captions == "negatives":
        same = own
    if equal_captions == "mask":
        others = same & ~own
        rows, columns = (each.masked_fill(others, -torch.inf) for each in (rows, columns))
        same = own
    # Subtle: ``same`` is symmetric and its rows sum as its columns do, so one target serves both.
    target = same / same.sum(dim=1, keepdim=True)  # (n, n), rows sum to 1
    return (_soft_cross_entropy(rows, target) + _soft_cross_entropy(columns, target)) / 2


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
