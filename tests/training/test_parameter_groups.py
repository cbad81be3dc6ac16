from __future__ import annotations

import pytest

from clipcli.models.config import Architecture, ModifiedResNet, TextTransformer, VisionTransformer
from clipcli.training.parameter_groups import parameter_groups, rate_factors
from clipcli.training.student import Student

TEXT = TextTransformer(8, 520, 8, 2, 2, 16)
VIT = Architecture(8, VisionTransformer(16, 8, 8, 12, 2, 16), TEXT, "gelu", logit_bias=True)
RESNET = Architecture(8, ModifiedResNet(32, 4, (1, 2, 1, 1), 2), TEXT, "gelu")


def factors_of(architecture: Architecture, decay: float) -> dict[str, float]:
    student = Student(architecture, 5)
    return rate_factors((name for name, _ in student.named_parameters()), decay)


def test_each_layer_learns_slower_than_the_one_above() -> None:
    factors = factors_of(VIT, 0.5)

    # Twelve blocks between the patches and the projection; in the text tower two.
    assert factors["clip.visual.proj"] == factors["clip.visual.ln_post.bias"] == 1
    assert factors["clip.visual.transformer.resblocks.11.ln_1.weight"] == 0.5
    assert factors["clip.visual.transformer.resblocks.2.attn.in_proj_bias"] == 0.5**10
    assert factors["clip.visual.conv1.weight"] == 0.5**13
    assert factors["clip.visual.class_embedding"] == 0.5**13
    assert factors["clip.text_projection"] == factors["clip.ln_final.weight"] == 1
    assert factors["clip.transformer.resblocks.1.mlp.c_fc.weight"] == 0.5
    assert factors["clip.token_embedding.weight"] == factors["clip.positional_embedding"] == 0.125


def test_blocks_of_a_resnet_are_layers() -> None:
    factors = factors_of(RESNET, 0.5)

    assert factors["clip.visual.attnpool.positional_embedding"] == 1
    assert factors["clip.visual.layer4.0.downsample.0.weight"] == 0.5
    assert factors["clip.visual.layer2.1.conv1.weight"] == 0.125
    assert factors["clip.visual.layer2.0.conv1.weight"] == 0.0625
    assert factors["clip.visual.bn3.weight"] == factors["clip.visual.conv1.weight"] == 0.5**6


@pytest.mark.parametrize("architecture", [VIT, RESNET])
def test_what_is_in_no_tower_learns_at_the_full_rate(architecture: Architecture) -> None:
    factors = factors_of(architecture, 0.1)

    outside = {n for n in factors if "logit" in n or n.startswith("classifier")}
    assert len(outside) >= 3
    assert {factors[name] for name in outside} == {1.0}


def test_without_decay_there_are_the_two_groups_there_always_were() -> None:
    groups = parameter_groups(Student(VIT), 0.1)

    assert [group["factor"] for group in groups] == [1.0, 1.0]


def test_every_parameter_is_in_one_group_with_its_factor() -> None:
    student = Student(RESNET, 5)
    names = {id(p): name for name, p in student.named_parameters()}
    factors = rate_factors(names.values(), 0.5)

    groups = parameter_groups(student, 0.1, 0.5)

    found = [(names[id(p)], group["factor"]) for group in groups for p in group["params"]]  # type: ignore[attr-defined]
    assert dict(found) == factors
    assert len(found) == len(factors)
