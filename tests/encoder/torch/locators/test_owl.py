"""OWL-ViT and OWLv2 against transformers, with random weights of no idle part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from clipcli.encoder import load_locator as door
from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Boxes, Question
from clipcli.encoder.torch.locators.owl_runner import OwlRunner
from clipcli.errors import ModelError
from clipcli.models.locators.source import open_locator
from clipcli.models.tokenizer.vocabulary import Vocabulary

transformers = pytest.importorskip("transformers")

VOCABULARY = Vocabulary.from_merges([("c", "a"), ("ca", "t</w>")])
SIZE = 64
NAMES = ["cat", "a dog", "two words"]


def photo(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return smooth waves and some noise, so that every way of resampling shows."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (7 + 2 * k) + k) * np.cos(y / (5 + k)) for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 15, (height, width, 3))
    picture = 128 + 90 * np.stack(waves, axis=-1) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)


def build(kind: str) -> Any:
    sizes = {"intermediate_size": 64, "num_hidden_layers": 2}
    text = {"hidden_size": 32, "num_attention_heads": 2, "vocab_size": len(VOCABULARY.ids)}
    text |= {"max_position_embeddings": 16, "bos_token_id": 514, "eos_token_id": 515}
    image = {"hidden_size": 48, "num_attention_heads": 3, "image_size": SIZE, "patch_size": 16}
    if kind == "owlvit":
        config_class, model_class = transformers.OwlViTConfig, transformers.OwlViTForObjectDetection
    else:
        config_class, model_class = transformers.Owlv2Config, transformers.Owlv2ForObjectDetection
    config = config_class(text_config=text | sizes, vision_config=image | sizes, projection_dim=32)
    torch.manual_seed(1)
    model = model_class(config).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("logit_scale"):
                continue
            is_gain = "norm" in name and name.endswith("weight")
            tensor.copy_(torch.randn_like(tensor) * 0.15 + is_gain)
    return model


def write(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    mean_std = {"image_mean": [0.48, 0.45, 0.40], "image_std": [0.27, 0.26, 0.28]}
    told = {"size": {"height": SIZE, "width": SIZE}} | mean_std
    (folder / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in VOCABULARY.merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def reference(model: Any, kind: str, picture: Any, ids: torch.Tensor) -> Boxes:
    if kind == "owlvit":
        from transformers.models.owlvit.image_processing_pil_owlvit import (
            OwlViTImageProcessorPil as Processor,
        )
    else:
        from transformers.models.owlv2.image_processing_pil_owlv2 import (
            Owlv2ImageProcessorPil as Processor,
        )
    processor = Processor(
        size={"height": SIZE, "width": SIZE},
        image_mean=[0.48, 0.45, 0.40],
        image_std=[0.27, 0.26, 0.28],
    )
    pixels = processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"].float()
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=pixels, attention_mask=(ids > 0).long())
    height, width = picture.shape[:2]
    found = processor.post_process_object_detection(
        out, threshold=0.0, target_sizes=torch.tensor([[height, width]])
    )[0]
    order = np.argsort(-found["scores"].numpy(), kind="stable")
    corners = found["boxes"].numpy()[order]
    corners = np.clip(corners, 0, [width, height, width, height])
    return Boxes(corners, found["scores"].numpy()[order], found["labels"].numpy()[order])


@pytest.mark.parametrize("shape", [(200, 150), (90, 180), (40, 30), (64, 64)])
@pytest.mark.parametrize("kind", ["owlvit", "owlv2"])
def test_boxes_and_scores_are_the_references(
    tmp_path: Path, kind: str, shape: tuple[int, int]
) -> None:
    model = build(kind)
    write(model, tmp_path)
    runner = load_locator(open_locator(tmp_path), "cpu", "fp32")
    assert isinstance(runner, OwlRunner)
    picture = photo(*shape)
    texts = [f"a photo of a {name}" for name in NAMES]
    rows = [runner._tokenizer.tokenize(text).ids for text in texts]
    ids = torch.tensor([row + [0] * (16 - len(row)) for row in rows])

    found = runner.locate(picture, Question.of_names(NAMES), min_score=0.0, nms=1.0)

    expected = reference(model, kind, picture, ids)
    assert len(found.scores) == (SIZE // 16) ** 2
    assert np.abs(found.scores - expected.scores).max() < 1e-5
    assert np.abs(found.corners - expected.corners).max() < 1e-4 * max(shape)
    assert (found.phrases == expected.phrases).all()
    assert expected.scores.std() > 0.01  # the test would see a difference


def test_bf16_moves_scores_and_boxes_by_little(tmp_path: Path) -> None:
    write(build("owlvit"), tmp_path)
    source, picture, question = open_locator(tmp_path), photo(200, 150), Question.of_names(NAMES)
    exact, fast = (load_locator(source, "cpu", precision) for precision in ("fp32", "bf16"))
    assert isinstance(exact, OwlRunner)
    assert isinstance(fast, OwlRunner)

    seen, seen_fast = exact.see(picture), fast.see(picture)

    distances = np.linalg.norm(seen_fast.rows - seen.rows, axis=1)
    assert 0 < distances.max() < 0.02  # of unit rows
    assert np.abs(seen_fast.places - seen.places)[:, 2:].max() < 0.02  # of the picture's sides
    found = [
        runner.find(sight, question, min_score=0.0, nms=1.0)
        for runner, sight in ((exact, seen), (fast, seen_fast))
    ]
    assert np.abs(found[0].scores - found[1].scores).max() < 0.02


@pytest.mark.parametrize(
    ("asked", "feature", "has_card", "meant"),
    [
        (("auto", "auto"), "avx512_bf16", False, "bf16"),
        (("cpu", "auto"), "avx512_bf16", True, "bf16"),
        (("auto", "auto"), "avx512_bf16", True, "fp32"),  # it may run on the card
        (("cuda", "auto"), "avx512_bf16", True, "fp32"),
        (("auto", "auto"), "avx2", False, "fp32"),
        (("auto", "fp32"), "avx512_bf16", False, "fp32"),
        (("auto", "bf16"), "avx2", False, "bf16"),
    ],
)
def test_the_processor_decides_what_nobody_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, str],
    feature: str,
    has_card: bool,
    meant: str,
) -> None:
    write(build("owlvit"), tmp_path)
    source = open_locator(tmp_path)
    monkeypatch.setattr(door, "processor_features", lambda: frozenset([feature]))
    monkeypatch.setattr(door, "may_have_card", lambda: has_card)

    assert door.meant_precision(source, *asked) == meant
    # Models whose text refines their boxes stay in fp32 unless told otherwise.
    fused = replace(source, kind="glip")
    assert door.meant_precision(fused, *asked) == ("bf16" if asked[1] == "bf16" else "fp32")


def test_a_folder_that_lacks_a_head_is_refused(tmp_path: Path) -> None:
    model = build("owlvit")
    write(model, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["box_head.dense1.bias"]
    save_file(weights, tmp_path / "model.safetensors")

    with pytest.raises(ModelError, match=r"1 missing \(box_head.dense1.bias"):
        open_locator(tmp_path)


def test_a_picture_size_that_the_tower_does_not_see_is_refused(tmp_path: Path) -> None:
    write(build("owlvit"), tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(path.read_text(encoding="utf-8").replace("64", "96"), encoding="utf-8")

    with pytest.raises(ModelError, match="sees 64 pixels"):
        open_locator(tmp_path)
