from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipcli.errors import InputError
from clipcli.models.config import TextTransformer
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.vocabulary import Vocabulary
from clipcli.training.config import OptimiserConfig
from clipcli.training.text.corpus import Corpus, read_corpus
from clipcli.training.text.distil import DistilConfig, Distillation, distil, distillation_loss

WORDS = ("dog", "cat", "red", "blue", "car", "tree", "sky", "sea")


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(Vocabulary.from_merges(()), context_length=24)


@pytest.fixture
def corpus() -> Corpus:
    draw = torch.Generator().manual_seed(0)
    texts = [f"{a} {b}" for a in WORDS for b in WORDS]
    vectors = F.normalize(torch.randn((len(texts), 16), generator=draw), dim=1)
    return Corpus(texts, ["name"] * len(texts), np.ones(len(texts)), vectors)


@pytest.fixture
def config(tokenizer: Tokenizer) -> DistilConfig:
    text = TextTransformer(24, tokenizer.vocab_size, width=32, layers=2, heads=2, mlp_width=64)
    rate = OptimiserConfig(lr=5e-3, warmup_steps=5, weight_decay=0.0)
    return DistilConfig(
        text, ("{}", "a {}"), steps=60, batch_size=32, held_out=4, scale=10.0, optimiser=rate
    )


def test_loss_is_zero_only_for_the_teacher_itself() -> None:
    teacher = torch.eye(4)

    same = distillation_loss(teacher, teacher, scale=10.0, cosine=1.0)
    turned = distillation_loss(teacher.roll(1, dims=0), teacher, scale=10.0, cosine=1.0)

    assert same.item() == pytest.approx(0.0, abs=1e-6)
    assert turned.item() > 1


def test_learns_a_small_corpus(
    corpus: Corpus, tokenizer: Tokenizer, config: DistilConfig, tmp_path: Path
) -> None:
    before = Distillation(corpus, tokenizer, config)

    tower = distil(corpus, tokenizer, config, tmp_path)

    def cosine(tower: torch.nn.Module) -> float:
        tokens, targets = before.draws.batch(0)
        with torch.no_grad():
            rows = F.normalize(tower.encode_text(tokens), dim=1)  # type: ignore[operator]
        return float((rows * targets).sum(dim=1).mean())

    assert cosine(tower) > cosine(before.tower) + 0.05


def test_stopped_and_gone_on_equals_not_stopped(
    corpus: Corpus, tokenizer: Tokenizer, config: DistilConfig, tmp_path: Path
) -> None:
    whole = Distillation(corpus, tokenizer, config)
    first = Distillation(corpus, tokenizer, config)
    second = Distillation(corpus, tokenizer, config)

    for _ in range(6):
        whole.train_step(0.0)
    for _ in range(3):
        first.train_step(0.0)
    second.load_dict(first.to_dict())
    for _ in range(3):
        second.train_step(0.0)

    for name, tensor in whole.tower.state_dict().items():
        torch.testing.assert_close(second.tower.state_dict()[name], tensor, msg=name)


def test_held_out_texts_are_never_drawn(
    corpus: Corpus, tokenizer: Tokenizer, config: DistilConfig
) -> None:
    draws = Distillation(corpus, tokenizer, replace(config, templates=("{}",))).draws
    held = {tuple(row.tolist()) for row in corpus.vectors[draws.held_out]}

    drawn = {tuple(row.tolist()) for step in range(50) for row in draws.batch(step)[1]}

    assert len(held) == 4
    assert not held & drawn


def test_refuses_a_corpus_whose_vectors_do_not_match(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text("1.0\tname\tdog\n", encoding="utf-8")
    np.save(tmp_path / "vectors.npy", np.zeros((2, 3), dtype=np.float16))

    with pytest.raises(InputError, match="1 texts, but 2 vectors"):
        read_corpus(tmp_path)


def test_refuses_a_corpus_line_with_missing_fields(tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text("1.0\tname\tdog\ncat\n", encoding="utf-8")
    np.save(tmp_path / "vectors.npy", np.zeros((2, 3), dtype=np.float16))

    with pytest.raises(InputError, match=r"texts.tsv:2: expected weight"):
        read_corpus(tmp_path)
