"""Models that other libraries built and saved, read by us: the same numbers to 1e-5 in fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clipcli.encoder.torch.convert import import_model
from clipcli.models.open import open_model
from tests.encoder.torch.reference import (
    PROMPTS,
    Answers,
    build_clip,
    build_siglip,
    golden,
    ours,
    save_clip,
    save_clip_tokenizer,
    save_openai_archive,
    transformers_answers,
    waves,
)
from tests.golden.make_openclip_files import PROMPTS as GOLDEN_PROMPTS

TOLERANCE = 1e-5
LOGIT_SCALE = 8  # logits are cosines times e^2, or more
GOLDEN = Path(__file__).parents[2] / "golden" / "openclip"
GEMMA_LIKE = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz.!,")

Compare = Callable[[str, Answers, Answers], None]


@pytest.fixture(scope="module")
def compare(request: pytest.FixtureRequest) -> Iterator[Compare]:
    """Return a function that compares answers; the deviations are printed as a table."""
    rows: list[tuple[str, dict[str, float]]] = []

    def check(name: str, theirs: Answers, ours: Answers) -> None:
        rows.append((name, theirs.deviations(ours)))
        for part, deviation in rows[-1][1].items():
            scale = LOGIT_SCALE if part == "logits" else 1
            assert deviation < TOLERANCE * scale, (name, part, deviation)

    yield check
    plugins = request.config.pluginmanager
    terminal = plugins.get_plugin("terminalreporter")
    head = "largest deviation from the reference"
    with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
        terminal.write_line(f"\n\n{head:62}  images   texts    logits   probabilities")
        for name, deviations in rows:
            numbers = "  ".join(f"{value:.1e}" for value in deviations.values())
            terminal.write_line(f"{name:62}  {numbers}")
        terminal.flush()  # while what is written is not captured


def clip_answers(model: Any, folder: Path, prompts: list[str]) -> Answers:
    """Let transformers' own processors and model answer."""
    from PIL import Image
    from transformers import CLIPImageProcessorPil, CLIPTokenizer

    processor = CLIPImageProcessorPil.from_pretrained(folder)
    pictures = [Image.fromarray(picture) for picture in waves(32)]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    tokens = CLIPTokenizer.from_pretrained(folder)(prompts, padding=True, return_tensors="pt")
    return transformers_answers(model, {"pixel_values": pixels, **tokens}, is_siglip=False)


@pytest.mark.parametrize("weights", ["safetensors", "shards", "bin", "old bin"])
def test_clip_folder_of_transformers(weights: str, tmp_path: Path, compare: Compare) -> None:
    model = build_clip()
    folder = save_clip(model, tmp_path / "clip", weights)

    answers = ours(folder, waves(32), PROMPTS)

    name = f"CLIP ViT, quick_gelu: Hugging Face folder, {weights}"
    compare(name, clip_answers(model, folder, PROMPTS), answers)


def test_clip_folder_with_plain_gelu(tmp_path: Path, compare: Compare) -> None:
    model = build_clip(activation="gelu")
    folder = save_clip(model, tmp_path / "clip")

    answers = ours(folder, waves(32), PROMPTS)

    name = "CLIP ViT, gelu: Hugging Face folder, safetensors"
    compare(name, clip_answers(model, folder, PROMPTS), answers)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_clip_folder_in_half_precision(
    dtype: torch.dtype, tmp_path: Path, compare: Compare
) -> None:
    model = build_clip().to(dtype)
    folder = save_clip(model, tmp_path / "clip")

    answers = ours(folder, waves(32), PROMPTS)

    name = f"CLIP ViT, quick_gelu: Hugging Face folder, stored as {str(dtype)[6:]}"
    compare(name, clip_answers(model.float(), folder, PROMPTS), answers)


def save_siglip(folder: Path, *, is_second: bool) -> Any:
    """Save a SiglipModel, its processor and a tokenizer of letters; return the model."""
    from transformers import SiglipImageProcessorPil

    model = build_siglip(40)
    model.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 30, "width": 30}).save_pretrained(folder)
    if is_second:
        from transformers import Siglip2Tokenizer

        vocabulary = {token: i for i, token in enumerate(GEMMA_LIKE)}
        Siglip2Tokenizer(vocab=vocabulary, merges=[], padding_side="right").save_pretrained(folder)
        return model
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = ["<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz", "▁cat"]
    tokenizer = Tokenizer(models.Unigram([(p, -float(i)) for i, p in enumerate(pieces)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = '{"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>"}'
    (folder / "tokenizer_config.json").write_text(settings, encoding="utf-8")
    return model


def siglip_answers(model: Any, tokens: torch.Tensor) -> Answers:
    from PIL import Image
    from transformers import SiglipImageProcessorPil

    processor = SiglipImageProcessorPil(size={"height": 30, "width": 30})
    pictures = [Image.fromarray(picture) for picture in waves(30)]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    inputs = {"pixel_values": pixels, "input_ids": tokens}
    return transformers_answers(model, inputs, is_siglip=True)


def test_siglip_folder_of_transformers(tmp_path: Path, compare: Compare) -> None:
    model = save_siglip(tmp_path, is_second=False)
    # By hand: "▁" is 3, "a" 4, "▁cat" 30, "d" 7; the end is 1, and so is the padding.
    tokens = torch.tensor([[3, 4, 30, 3, 7, *[1] * 59], [3, 4, *[1] * 62]])

    answers = ours(tmp_path, waves(30), ["A, Cat! (d)", " a "])

    compare("SigLIP: Hugging Face folder", siglip_answers(model, tokens), answers)


def test_siglip_2_folder_of_transformers(tmp_path: Path, compare: Compare) -> None:
    from transformers import Siglip2Tokenizer

    model = save_siglip(tmp_path, is_second=True)
    prompts = ["A Cat!", "two dogs, and more", "z" * 100]
    # The end stands behind every text, as in the tokenizers of the published models.
    plain = Siglip2Tokenizer.from_pretrained(tmp_path)(prompts, add_special_tokens=False)
    rows = [[*ids[:63], 1] for ids in plain["input_ids"]]
    tokens = torch.tensor([row + [0] * (64 - len(row)) for row in rows])

    answers = ours(tmp_path, waves(30), prompts)

    compare("SigLIP 2: Hugging Face folder", siglip_answers(model, tokens), answers)


@pytest.fixture
def golden_folder(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies a golden folder of OpenCLIP's, and lays a tokenizer in it."""
    import shutil

    def copy(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(GOLDEN / name, folder)
        save_clip_tokenizer(folder, "merges.txt")
        return folder

    return copy


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit-quick-gelu", 32), ("vit-gelu", 32), ("vit-custom-text", 32), ("resnet", 64)],
)
def test_openclip_folder(
    name: str, size: int, golden_folder: Callable[[str], Path], compare: Compare
) -> None:
    folder = golden_folder(name)

    answers = ours(folder, waves(size), GOLDEN_PROMPTS)

    compare(f"OpenCLIP {name}: folder with open_clip_config.json", golden(GOLDEN / name), answers)


def test_openclip_training_checkpoint(
    golden_folder: Callable[[str], Path], compare: Compare
) -> None:
    path = golden_folder("bare") / "epoch_1.pt"

    answers = ours(path, waves(64), GOLDEN_PROMPTS, activation="quick_gelu", preprocessing="clip")

    name = "OpenCLIP resnet: training checkpoint with module. prefixes"
    compare(name, golden(GOLDEN / "bare"), answers)


def openai_state() -> dict[str, torch.Tensor]:
    """Return a bare ResNet's state dict: heads as wide as OpenAI's."""
    whole = torch.load(GOLDEN / "bare" / "epoch_1.pt", weights_only=True)["state_dict"]
    return {name.removeprefix("module."): tensor for name, tensor in whole.items()}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_openai_archive(tmp_path: Path, compare: Compare) -> None:
    path = save_openai_archive(openai_state(), tmp_path / "RN.pt")
    save_clip_tokenizer(tmp_path, "merges.txt")

    answers = ours(path, waves(64), GOLDEN_PROMPTS)

    name = "OpenAI: TorchScript archive of fp16, no configuration"
    compare(name, golden(GOLDEN / "bare"), answers)


@pytest.mark.parametrize("ending", ["pt", "safetensors", "old.pth"])
def test_plain_state_dict(ending: str, tmp_path: Path, compare: Compare) -> None:
    path = tmp_path / f"weights.{ending}"
    if ending == "safetensors":
        save_file(openai_state(), path)
    else:
        torch.save(openai_state(), path, _use_new_zipfile_serialization=ending == "pt")
    save_clip_tokenizer(tmp_path, "merges.txt")

    answers = ours(path, waves(64), GOLDEN_PROMPTS, activation="quick_gelu", preprocessing="clip")

    compare(f"CLIP ResNet: plain state dict, .{ending}", golden(GOLDEN / "bare"), answers)


@pytest.mark.parametrize("name", ["vit-custom-text", "resnet"])
def test_imported_model_answers_the_same(
    name: str, golden_folder: Callable[[str], Path], compare: Compare, tmp_path: Path
) -> None:
    folder = golden_folder(name)
    size = 64 if name == "resnet" else 32

    imported = import_model(open_model(folder), tmp_path / "imported", name="ours")

    answers = ours(imported.path, waves(size), GOLDEN_PROMPTS)
    compare(f"OpenCLIP {name}: after import", golden(GOLDEN / name), answers)
    assert imported.config.name == "ours"
    assert imported.config.fingerprint


def test_imported_siglip_answers_exactly_the_same(tmp_path: Path) -> None:
    save_siglip(tmp_path / "theirs", is_second=True)

    imported = import_model(open_model(tmp_path / "theirs"), tmp_path / "imported")

    before = ours(tmp_path / "theirs", waves(30), PROMPTS)
    after = ours(imported.path, waves(30), PROMPTS)
    assert max(before.deviations(after).values()) == 0


def test_import_keeps_numbers_and_precision(tmp_path: Path) -> None:
    model = build_clip().half()
    folder = save_clip(model, tmp_path / "clip")

    imported = import_model(open_model(folder), tmp_path / "imported")

    tensors = load_file(imported.weights_path)
    q, k, v = (
        getattr(model.text_model.encoder.layers[0].self_attn, f"{part}_proj").weight
        for part in "qkv"
    )
    assert torch.equal(tensors["transformer.resblocks.0.attn.in_proj_weight"], torch.cat([q, k, v]))
    assert torch.equal(tensors["visual.proj"], model.visual_projection.weight.T)
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.float16"}


def test_another_activation_shows_in_the_answers(tmp_path: Path) -> None:
    model = build_clip(activation="quick_gelu")
    theirs = clip_answers(model, save_clip(model, tmp_path / "clip"), PROMPTS)
    config = tmp_path / "clip" / "config.json"
    told = config.read_text(encoding="utf-8").replace("quick_gelu", "gelu")
    config.write_text(told, encoding="utf-8")

    deviations = theirs.deviations(ours(tmp_path / "clip", waves(32), PROMPTS))

    assert min(deviations["images"], deviations["texts"]) > 100 * TOLERANCE
