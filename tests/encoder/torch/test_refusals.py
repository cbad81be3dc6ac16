"""What cannot be established is never guessed: each misfit is one line that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clipcli.encoder.torch.convert import import_model
from clipcli.encoder.torch.load import load_model
from clipcli.errors import ModelError
from clipcli.models.open import open_model
from tests.encoder.torch.reference import build_clip, build_siglip, save_clip, save_clip_tokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "openclip"


@pytest.fixture(scope="module")
def saved_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(build_clip(), tmp_path_factory.mktemp("saved") / "clip")


@pytest.fixture
def clip_folder(saved_clip: Path, tmp_path: Path) -> Path:
    """Return a Hugging Face CLIP folder of the test's own."""
    shutil.copytree(saved_clip, tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def openclip_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "openclip"
    shutil.copytree(GOLDEN / "vit-quick-gelu", folder)
    save_clip_tokenizer(folder, "merges.txt")
    return folder


@pytest.fixture
def bare_file(tmp_path: Path) -> Path:
    """Return a state dict beside which nothing lies."""
    folder = tmp_path / "bare"
    shutil.copytree(GOLDEN / "bare", folder)
    return folder / "epoch_1.pt"


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def refuse(path: Path, pattern: str, **given: Any) -> ModelError:
    """Open and load; check that it fails with one line, and return the error."""
    with pytest.raises(ModelError, match=pattern) as caught:
        load_model(open_model(path, **given))
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 4
    return caught.value


def test_missing_tensor_is_named(clip_folder: Path) -> None:
    change_weights(clip_folder, lambda state: state.pop("vision_model.pre_layrnorm.bias"))

    refuse(clip_folder, r"1 missing \(vision_model\.pre_layrnorm\.bias\)")


def test_unexpected_tensor_is_named(clip_folder: Path) -> None:
    change_weights(clip_folder, lambda state: state.update({"adapter.weight": torch.ones(2)}))

    refuse(clip_folder, r"1 unexpected \(adapter\.weight\)")


def test_weightless_buffer_is_left_aside(clip_folder: Path) -> None:
    ids = {"vision_model.embeddings.position_ids": torch.arange(17)}
    change_weights(clip_folder, lambda state: state.update(ids))

    model = load_model(open_model(clip_folder))

    assert model.architecture.embed_dim == 24


def test_shape_is_told_in_their_names(clip_folder: Path) -> None:
    edit(clip_folder / "config.json", lambda told: told["text_config"].update(intermediate_size=65))

    refuse(clip_folder, r"text_model\.encoder\.layers\.0\.mlp\.fc1\.weight 64x32 where 65x32")


def test_unknown_activation_is_refused(clip_folder: Path) -> None:
    edit(clip_folder / "config.json", lambda told: told["text_config"].update(hidden_act="relu"))

    refuse(clip_folder, r'text_config\.hidden_act: expected quick_gelu or gelu.*got "relu"')


def test_activation_that_contradicts_the_file_is_refused(clip_folder: Path) -> None:
    refuse(clip_folder, "says that the activation is quick_gelu, not gelu", activation="gelu")


@pytest.mark.parametrize("kind", ["blip", "siglip2", "chinese_clip"])
def test_other_models_are_refused_by_name(kind: str, clip_folder: Path) -> None:
    edit(clip_folder / "config.json", lambda told: told.update(model_type=kind))

    refuse(clip_folder, f"model_type.*{kind}")


def test_folder_without_tokenizer_says_what_to_give(clip_folder: Path) -> None:
    (clip_folder / "tokenizer.json").unlink()

    error = refuse(clip_folder, "nothing says what its tokenizer is")

    assert "--vocab FILE" in (error.hint or "")


def test_folder_without_preprocessing_says_what_to_give(clip_folder: Path) -> None:
    (clip_folder / "preprocessor_config.json").unlink()

    error = refuse(clip_folder, "nothing says what its preprocessing is")

    assert "--preprocessing clip|FILE" in (error.hint or "")


def test_tokenizer_of_another_model_is_refused(clip_folder: Path) -> None:
    edit(clip_folder / "config.json", lambda told: told["text_config"].update(vocab_size=600))

    with pytest.raises(ModelError, match=r"has 516 tokens, the text tower 600"):
        open_model(clip_folder).read_tokenizer()


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"do_normalize": False}, "do_normalize is false: clipcli has no such preprocessing"),
        ({"resample": 1}, r"resample: expected 2 \(bilinear\) or 3 \(bicubic\), got 1"),
        ({"crop_size": 28}, "crop_size: expected 32"),
        ({"size": {"longest_edge": 32}}, "size: expected a shortest edge"),
        ({"size": 64, "crop_size": 64}, "makes pictures of 64 pixels, the image tower takes 32"),
        ({"rescale_factor": 1.0}, "rescale_factor: expected 1/255"),
        ({"image_std": [0, 1, 1]}, "image_std: expected numbers above zero"),
        ({"image_mean": None}, "image_mean: expected three numbers"),
    ],
)
def test_other_preprocessing_is_refused(
    change: dict[str, Any], pattern: str, clip_folder: Path
) -> None:
    edit(clip_folder / "preprocessor_config.json", lambda told: told.update(change))

    refuse(clip_folder, pattern)


def test_preprocessing_nested_in_a_processor_file_is_read(clip_folder: Path) -> None:
    path = clip_folder / "preprocessor_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    nested = json.dumps({"image_processor": told, "processor_class": "CLIPProcessor"})
    (clip_folder / "processor_config.json").write_text(nested, encoding="utf-8")

    source = open_model(clip_folder)

    assert source.config.preprocessing.crop_rounding == "floor"


def test_preprocessing_of_older_files_is_read(clip_folder: Path) -> None:
    path = clip_folder / "preprocessor_config.json"
    edit(path, lambda told: told.update(size=32, crop_size=32))

    source = open_model(clip_folder)

    assert (source.config.preprocessing.size, source.config.preprocessing.resize_mode) == (
        32,
        "shortest",
    )


def test_settings_that_say_nothing_are_as_good_as_absent(clip_folder: Path) -> None:
    nothing = dict.fromkeys(["do_pad", "do_resize", "do_center_crop", "pad_size", "device"])
    edit(clip_folder / "preprocessor_config.json", lambda told: told.update(nothing))

    assert open_model(clip_folder).config.preprocessing.resize_mode == "shortest"


def test_bare_file_asks_for_everything_at_once(bare_file: Path) -> None:
    error = refuse(bare_file, "activation and preprocessing and tokenizer are")

    assert "--activation quick_gelu|gelu --preprocessing clip|FILE --vocab FILE" in (
        error.hint or ""
    )


def test_what_is_given_is_recorded_on_import(bare_file: Path, tmp_path: Path) -> None:
    save_clip_tokenizer(tmp_path, "merges.txt")
    vocabulary = tmp_path / "merges.txt"

    source = open_model(bare_file, activation="gelu", preprocessing="clip", vocabulary=vocabulary)
    imported = import_model(source, tmp_path / "imported")

    again = open_model(imported.path).config
    assert again.architecture.activation == "gelu"
    assert again.preprocessing == source.config.preprocessing
    assert (imported.path / "merges.txt").exists()


def test_file_name_that_says_quickgelu_is_believed(bare_file: Path) -> None:
    named = bare_file.rename(bare_file.with_name("RN50-quickgelu-yfcc.pt"))

    refuse(named, "what its preprocessing and tokenizer are")
    refuse(named, "activation is quick_gelu, not gelu", activation="gelu")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"timm_model_name": "vit_base_patch16_siglip_224"}, "of another library"),
        ({"pool_type": "avg"}, "pool_type is"),
        ({"ls_init_value": 1e-4}, "ls_init_value is 0.0001"),
        ({"head_width": 17}, "head_width: expected a divisor of 48"),
    ],
)
def test_other_towers_of_openclip_are_refused(
    change: dict[str, Any], pattern: str, openclip_folder: Path
) -> None:
    path = openclip_folder / "open_clip_config.json"
    edit(path, lambda told: told["model_cfg"]["vision_cfg"].update(change))

    refuse(openclip_folder, pattern)


def test_multimodal_openclip_is_refused(openclip_folder: Path) -> None:
    path = openclip_folder / "open_clip_config.json"
    edit(path, lambda told: told["model_cfg"].update(multimodal_cfg={"width": 512}))

    refuse(openclip_folder, "multimodal_cfg")


def test_timm_trunk_in_the_weights_is_refused(tmp_path: Path) -> None:
    state = {"visual.trunk.cls_token": torch.ones(1), "logit_scale": torch.tensor(1.0)}
    save_file(state, tmp_path / "model.safetensors")

    refuse(tmp_path / "model.safetensors", "image tower is one of timm's")


def test_heads_of_an_unknown_width_are_not_guessed(openclip_folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    shutil.copy(openclip_folder / "open_clip_model.safetensors", alone)

    refuse(alone, "do not say how many heads an? ")


def test_shard_outside_of_the_folder_is_refused(clip_folder: Path) -> None:
    (clip_folder / "model.safetensors").unlink()
    index = {"weight_map": {"logit_scale": "../model.safetensors"}}
    path = clip_folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index), encoding="utf-8")

    refuse(clip_folder, "leaves the folder")


def test_missing_shard_is_named(clip_folder: Path) -> None:
    (clip_folder / "model.safetensors").unlink()
    index = {"weight_map": {"logit_scale": "model-00001-of-00002.safetensors"}}
    path = clip_folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index), encoding="utf-8")

    refuse(clip_folder, r"model-00001-of-00002\.safetensors: No such file")


def test_other_weights_are_not_clip(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.ones(2)}, tmp_path / "resnet.safetensors")

    refuse(tmp_path / "resnet.safetensors", r"not CLIP's weights: they hold fc\.weight")


def test_folder_of_several_checkpoints_asks_which(tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        torch.save({"w": torch.ones(1)}, tmp_path / name)

    error = refuse(tmp_path, "holds 2 files of weights")

    assert str(tmp_path / "a.pt") in (error.hint or "")


def test_empty_folder_is_no_model(tmp_path: Path) -> None:
    refuse(tmp_path, "there are no weights in it")


def test_sentencepiece_alone_says_what_is_needed(tmp_path: Path) -> None:
    build_siglip(40).save_pretrained(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"\n\x0b\n\x05<unk>")

    error = refuse(tmp_path, "spiece.model alone, and clipcli reads tokenizer.json")

    assert 'pip install "clipcli[siglip]"' in (error.hint or "")


def test_fingerprint_is_remembered_until_the_file_changes(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    monkeypatch.setattr("clipcli.cache.identity.YOUNG_NS", -(10**9))
    first = open_model(clip_folder).config.fingerprint
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", None)  # would fail if it were asked
        remembered = open_model(clip_folder).config.fingerprint
    change_weights(clip_folder, lambda state: state["logit_scale"].fill_(1.0))

    changed = open_model(clip_folder).config.fingerprint

    assert remembered == first
    assert changed != first


def test_fingerprint_does_without_a_cache(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = open_model(clip_folder).config.fingerprint
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("CLIPCLI_CACHE", str(tmp_path / "file" / "cache"))

    assert open_model(clip_folder).config.fingerprint == first


def test_classify_reads_a_foreign_folder(
    clip_folder: Path, tmp_path: Path, clipcli_process: Callable[..., Any]
) -> None:
    Image.new("RGB", (40, 30), (200, 30, 30)).save(tmp_path / "red.png")

    done = clipcli_process(
        "classify", tmp_path / "red.png", "--labels", "cat,dog", "--model", clip_folder
    )

    assert done.returncode == 0, done.stderr
    path, label, probability = done.stdout.splitlines()[-1].split("\t")
    assert path.endswith("red.png")
    assert label in {"cat", "dog"}
    assert 0.5 <= float(probability) <= 1
