"""What each of two processes does in ``test_group``: gradients of its part of a batch.

python two_processes.py FOLDER, with the environment of torchrun
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcli.errors import InputError
from clipcli.models.config import Architecture, ModifiedResNet, TextTransformer, VisionTransformer
from clipcli.training.chunks import Towers
from clipcli.training.distributed.batch_norm import share_batch_norms
from clipcli.training.distributed.group import ALONE, PeerError, ProcessGroup
from clipcli.training.distributed.launch import joined
from clipcli.training.losses import contrastive_loss, sigmoid_loss
from clipcli.training.student import Student

TEXT = TextTransformer(8, 30, 16, 1, 2, 16)
TOWERS = {
    "vit": Architecture(8, VisionTransformer(16, 8, 16, 2, 2, 16), TEXT, "gelu", logit_bias=True),
    "resnet": Architecture(
        8, ModifiedResNet(32, 4, (1, 1, 1, 1), 2), TEXT, "gelu", logit_bias=True
    ),
}
N = 12


def gradients(
    architecture: Architecture, group: ProcessGroup, chunk_size: int
) -> dict[str, Tensor]:
    """Return all gradients, and what the batch norms remember."""
    torch.manual_seed(3)
    student = Student(architecture, 5).double().train()
    size = architecture.image.image_size
    pixels, tokens = torch.randn(N, 3, size, size).double(), torch.randint(30, (N, 8))
    labels, groups = torch.arange(N) % 5, torch.arange(N) // 2
    if group.size > 1:
        share_batch_norms(student, group)
    part, towers = group.part(N), Towers(student, student, chunk_size, group)
    embeddings, logits = towers.images(pixels[part])
    assert logits is not None
    images = F.normalize(embeddings, dim=1)
    texts = F.normalize(towers.texts(tokens[part]), dim=1)
    loss = contrastive_loss(images, texts, towers.scale, groups, "positives")
    loss = loss + sigmoid_loss(images, texts, towers.scale, towers.bias, groups, "mask")
    (loss + F.cross_entropy(logits, labels)).backward()  # type: ignore[no-untyped-call]
    group.average_gradients(student.parameters())
    found = {name: p.grad for name, p in student.named_parameters() if p.grad is not None}
    return found | dict(student.named_buffers())


def failing(group: ProcessGroup) -> str:
    """Return what a process sees when the first one fails."""

    def fail() -> None:
        raise InputError("the data is bad")

    try:
        group.first_first(fail)
    except PeerError as error:
        return f"quiet {int(error.exit_code)}"
    except InputError as error:
        return error.message
    return "nothing"


def main() -> None:
    """Write what this process has found."""
    with joined() as group:
        assert group != ALONE
        found = {
            "vit": gradients(TOWERS["vit"], group, 0),
            "resnet": gradients(TOWERS["resnet"], group, 0),
            "chunks": gradients(TOWERS["vit"], group, 2),
            "failing": failing(group),
            "highest": group.highest(group.rank, -group.rank),
            "part": group.part(N).indices(N),
        }
        torch.save(found, Path(sys.argv[1]) / f"{group.rank}.pt")


if __name__ == "__main__":
    main()
