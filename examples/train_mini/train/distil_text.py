"""Distil mini's text tower from the teacher's vectors, or go on where it stopped.

python -m train.distil_text --corpus folder --vocabulary merges.txt --minutes 60 --out folder

With ``--start CHECKPOINTS`` it begins with an earlier tower, and an optimiser without memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from teacher.words import word_lists
from train.carry import newest

from clipcli.models.config import TextTransformer
from clipcli.models.tokenizer.clip import Tokenizer
from clipcli.models.tokenizer.vocabulary import read_vocabulary
from clipcli.training.checkpoint import checkpoint_paths, read_checkpoint, write_checkpoint
from clipcli.training.config import OptimiserConfig
from clipcli.training.text.corpus import read_corpus
from clipcli.training.text.distil import DistilConfig, Distillation, distil

CONTEXT = 32  # tokens; one in a thousand captions is longer
WARMUP = {False: 300, True: 100}  # steps: from a sum of words, and from an earlier tower


def main() -> None:
    """Run the distillation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier tower, or its folder")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer(read_vocabulary(arguments.vocabulary), CONTEXT)
    config = DistilConfig(
        TextTransformer(CONTEXT, tokenizer.vocab_size, width=256, layers=4, heads=4, mlp_width=768),
        word_lists()["templates"],
        minutes=arguments.minutes,
        batch_size=256,
        precision="bf16",
        optimiser=OptimiserConfig(
            lr=arguments.lr, weight_decay=0.02, warmup_steps=WARMUP[bool(arguments.start)]
        ),
    )
    corpus = read_corpus(arguments.corpus)
    folder = arguments.out / "checkpoints"
    if arguments.start and not checkpoint_paths(folder):
        begin_with(arguments.start, Distillation(corpus, tokenizer, config, start=False), folder)
    distil(corpus, tokenizer, config, arguments.out)


def begin_with(tower: Path, run: Distillation, folder: Path) -> None:
    """Write a first checkpoint whose tower has been trained before."""
    run.tower.load_state_dict(read_checkpoint(newest(tower))["tower"])
    write_checkpoint(folder, 0, run.to_dict(), keep=1)


if __name__ == "__main__":
    main()
