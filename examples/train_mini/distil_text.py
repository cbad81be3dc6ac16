"""Distil mini's text tower from the teacher's vectors, or go on where it stopped.

python distil_text.py --corpus folder --vocabulary merges.txt --minutes 60 --out folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from words import word_lists

from clipcli.architecture import TextTransformer
from clipcli.tokenizer import Tokenizer
from clipcli.training.config import OptimiserConfig
from clipcli.training.corpus import read_corpus
from clipcli.training.distil import DistilConfig, distil
from clipcli.vocabulary import read_vocabulary

CONTEXT = 32  # tokens; one in a thousand captions is longer


def main() -> None:
    """Run the distillation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--lr", type=float, default=1.5e-3)
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
        optimiser=OptimiserConfig(lr=arguments.lr, weight_decay=0.02, warmup_steps=300),
    )
    distil(read_corpus(arguments.corpus), tokenizer, config, arguments.out)


if __name__ == "__main__":
    main()
