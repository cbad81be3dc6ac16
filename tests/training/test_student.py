from __future__ import annotations

import pytest
import torch

from clipcli.models.config import Architecture, ModifiedResNet, TextTransformer, VisionTransformer
from clipcli.training.averaging import MovingAverage
from clipcli.training.parameter_groups import has_decay, parameter_groups
from clipcli.training.student import Student

TEXT = TextTransformer(8, 520, 8, 1, 2, 16)
RESNET = Architecture(8, ModifiedResNet(64, 4, (1, 1, 1, 1), 2), TEXT, "gelu")
VIT = Architecture(8, VisionTransformer(16, 8, 8, 1, 2, 16), TEXT, "gelu", logit_bias=True)


@pytest.mark.parametrize("architecture", [RESNET, VIT])
def test_only_matrices_decay(architecture: Architecture) -> None:
    student = Student(architecture, 5)

    decayed, kept = parameter_groups(student, 0.1)

    names = {id(p): name for name, p in student.named_parameters()}
    decayed_names = {names[id(p)] for p in decayed["params"]}  # type: ignore[attr-defined]
    kept_names = {names[id(p)] for p in kept["params"]}  # type: ignore[attr-defined]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    assert decayed_names | kept_names == set(names.values())
    assert all("bias" not in name and "embedding" not in name for name in decayed_names)
    assert {"clip.logit_scale", "clip.token_embedding.weight", "clip.positional_embedding"} <= (
        kept_names
    )
    assert {"clip.text_projection", "classifier.weight", "clip.visual.conv1.weight"} <= (
        decayed_names
    )


def test_gains_of_norms_do_not_decay() -> None:
    student = Student(RESNET)

    gains = {n: p for n, p in student.named_parameters() if ".bn" in n or ".ln_" in n}

    assert gains
    assert not any(has_decay(name, gain) for name, gain in gains.items())


@pytest.mark.parametrize(("architecture", "size"), [(RESNET, 64), (VIT, 16)])
def test_classifier_reads_the_trunk(architecture: Architecture, size: int) -> None:
    student = Student(architecture, 5)

    embeddings, logits = student(torch.randn(3, 3, size, size))

    assert embeddings.shape == (3, 8)
    assert logits.shape == (3, 5)
    logits.sum().backward()
    assert student.clip.visual.conv1.weight.grad is not None


def test_frozen_parameters_and_statistics_stay() -> None:
    student = Student(RESNET)
    frozen = student.freeze(["visual.bn1", "visual.conv1"])
    student.train()
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}

    student(torch.randn(4, 3, 64, 64))

    after = student.state_dict()
    assert frozen == ["visual.conv1.weight", "visual.bn1.weight", "visual.bn1.bias"]
    assert torch.equal(
        before["clip.visual.bn1.running_mean"], after["clip.visual.bn1.running_mean"]
    )
    assert not torch.equal(
        before["clip.visual.bn2.running_mean"], after["clip.visual.bn2.running_mean"]
    )


def test_growing_keeps_everything_but_the_number_of_positions() -> None:
    small = Student(RESNET, 5).resized(32)

    large = small.resized(64)

    name = "clip.visual.attnpool.positional_embedding"
    assert (len(small.state_dict()[name]), len(large.state_dict()[name])) == (2, 5)
    for other, tensor in small.state_dict().items():
        assert other == name or torch.equal(tensor, large.state_dict()[other])
    assert large(torch.randn(2, 3, 64, 64))[0].shape == (2, 8)


def test_average_moves_towards_the_weights() -> None:
    average = MovingAverage({"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(3)})

    average.update({"w": torch.tensor([1.0, 4.0]), "n": torch.tensor(5)}, decay=0.75)

    assert average.state["w"].tolist() == [0.25, 2.5]
    assert average.state["n"].item() == 5
    assert average.n_updates == 1
