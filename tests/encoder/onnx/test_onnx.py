"""ONNX Runtime in torch's place: the same rows, in any batch, from the same weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from clipcli.encoder.check_images import check_pixels
from clipcli.encoder.encoder import ModelEncoder, load_encoder
from clipcli.encoder.onnx.folded import GIVEN
from clipcli.encoder.onnx.runner import GRAPH_NAME, OnnxTower
from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.convert import import_model
from clipcli.encoder.torch.load import load_model, stored_tensors
from clipcli.encoder.torch.onnx_folding import fold_pads
from clipcli.encoder.torch.onnx_graph import write_graph
from clipcli.errors import DeviceError, ModelError
from clipcli.models.config import (
    Architecture,
    EfficientNetLite,
    ModelConfig,
    ModifiedResNet,
    Preprocessing,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.folder import builtin_model_folder, write_model_folder
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource
from clipcli.models.tokenizer.vocabulary import Vocabulary
from tests.encoder.torch.reference import build_clip, save_clip
from tests.encoder.torch.test_layouts import save_siglip

TOLERANCE = 1e-5
MINI = builtin_model_folder()
VOCABULARY = Vocabulary.from_merges([("c", "a"), ("ca", "t</w>")])
TEXT = TextTransformer(20, len(VOCABULARY.ids), width=32, layers=1, heads=2, mlp_width=64)
IMAGES = {
    "vit": VisionTransformer(32, 8, 48, 2, 3, 192),
    "resnet": ModifiedResNet(64, 8, (2, 1, 1, 1), 4),
    "efficientnet": EfficientNetLite(72, (8, 8, 16, 16, 24, 24, 32), (1, 2, 1, 1, 1, 1, 1), 16),
}


def random_model(kind: str, folder: Path, dtype: torch.dtype) -> ModelSource:
    """Write a small model whose every number is another than the one it would start with."""
    torch.manual_seed(0)
    model = CLIP(Architecture(24, IMAGES[kind], TEXT, "quick_gelu"))
    for name, tensor in [*model.visual.named_parameters(), *model.visual.named_buffers()]:
        with torch.no_grad():
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.7, 1.4)
            elif tensor.ndim == 1 and tensor.is_floating_point():
                tensor.normal_(std=0.1)
    size = model.architecture.image.image_size
    config = ModelConfig(kind, model.architecture, Preprocessing(size), logit_scale=1.0)
    tensors = stored_tensors(model.state_dict(), dtype)
    write_model_folder(folder, tensors, config, VOCABULARY, "# a model\n")
    return open_model(folder)


def torch_rows(source: ModelSource, pixels: np.ndarray) -> np.ndarray:
    return ModelEncoder(source, "cpu", "fp32", "torch").encode_images(pixels)


def files_of_weights(graph: Path) -> set[str]:
    model = onnx.load(graph, load_external_data=False)
    return {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    } - {GIVEN}


def test_the_bundled_model_brings_its_graph_and_has_its_weights_once() -> None:
    graph = MINI / GRAPH_NAME

    assert graph.stat().st_size < 500_000
    assert files_of_weights(graph) == {"model.safetensors"}


def test_rows_of_the_bundled_model_are_torchs_in_any_batch() -> None:
    source = open_model(MINI)
    pixels = check_pixels(source.config.preprocessing)  # (16, s, s, 3)
    encoder = load_encoder("mini")

    rows = encoder.encode_images(pixels)

    assert encoder.precision == "fp32-onnx"
    np.testing.assert_allclose(rows, torch_rows(source, pixels), atol=TOLERANCE)
    for n in (1, 2, 3, 5, 16):
        blocks = [encoder.encode_images(pixels[i : i + n]) for i in range(0, 16, n)]
        np.testing.assert_array_equal(np.concatenate(blocks), rows)
    assert encoder.encode_images(pixels[:0]).shape == (0, source.config.architecture.embed_dim)


def test_classifying_with_the_bundled_model_imports_no_torch(pictures: Path) -> None:
    script = (
        "import sys; from clipcli.cli.app import run\n"
        f"code = run(['classify', {str(pictures)!r}, '--labels', 'red, green', '--top-k', '1'])\n"
        "print(code, sorted({'torch', 'onnx', 'transformers'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", IMAGES)
def test_a_graph_beside_its_weights_gives_torchs_rows(
    kind: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    source = random_model(kind, tmp_path / "model", dtype)
    pixels = check_pixels(source.config.preprocessing)

    write_graph(source, source.path / GRAPH_NAME, 4)
    tower = OnnxTower(source.path / GRAPH_NAME, source)

    np.testing.assert_allclose(tower.encode(pixels), torch_rows(source, pixels), atol=TOLERANCE)
    assert files_of_weights(source.path / GRAPH_NAME) == {"model.safetensors"}
    np.testing.assert_array_equal(tower.encode(pixels[5:6]), tower.encode(pixels)[5:6])


def test_norms_with_equal_scales_keep_their_own_shifts(tmp_path: Path) -> None:
    source = random_model("efficientnet", tmp_path / "model", torch.float32)
    with torch.no_grad():
        model = load_model(source)
        for name, tensor in model.state_dict().items():
            is_scale = tensor.ndim == 1 and name.endswith("weight")
            if name.startswith("visual") and ("running_" in name or is_scale):
                tensor.fill_(0.5)  # torch's exporter takes equal weights of a shape for one
    write_model_folder(
        tmp_path / "alike", stored_tensors(model.state_dict(), torch.float32), source.config,
        VOCABULARY, "# a model\n",
    )  # fmt: skip
    alike = open_model(tmp_path / "alike")
    pixels = check_pixels(alike.config.preprocessing)

    write_graph(alike, alike.path / GRAPH_NAME, 4)
    rows = OnnxTower(alike.path / GRAPH_NAME, alike).encode(pixels)

    np.testing.assert_allclose(rows, torch_rows(alike, pixels), atol=TOLERANCE)


def test_foreign_weights_are_copied_beside_the_graph(tmp_path: Path) -> None:
    source = open_model(save_clip(build_clip(), tmp_path / "clip"))
    pixels = check_pixels(source.config.preprocessing)
    place = tmp_path / "graph"
    place.mkdir()

    write_graph(source, place / GRAPH_NAME, 4)
    rows = OnnxTower(place / GRAPH_NAME, source).encode(pixels)

    np.testing.assert_allclose(rows, torch_rows(source, pixels), atol=TOLERANCE)
    assert files_of_weights(place / GRAPH_NAME) == {"weights.bin"}


def test_batch_norms_and_paddings_are_folded_to_the_last_bit(tmp_path: Path) -> None:
    source = open_model(MINI)
    size = source.config.preprocessing.size
    pixels = np.random.default_rng(3).integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    place = tmp_path / "unfolded"  # ONNX Runtime folds batch norms by itself there
    place.mkdir()
    write_graph(source, place / GRAPH_NAME, 1)

    rows = OnnxTower(MINI / GRAPH_NAME, source).encode(pixels)

    np.testing.assert_array_equal(rows, OnnxTower(place / GRAPH_NAME, source).encode(pixels))
    kinds = {n.op_type for n in onnx.load(MINI / GRAPH_NAME, load_external_data=False).graph.node}
    assert not kinds & {"BatchNormalization", "Pad"}


def test_a_padding_that_is_not_of_zeros_stays() -> None:
    images = helper.make_tensor_value_info("x", 1, [1, 1, 4, 4])
    output = helper.make_tensor_value_info("y", 1, [1, 1, 4, 5])
    nodes = [
        helper.make_node("Pad", ["x", "around", "one"], ["p"]),
        helper.make_node("Conv", ["p", "w"], ["c"], pads=[0, 0, 0, 0]),
        helper.make_node("Pad", ["c", "left"], ["q"]),
        helper.make_node("Conv", ["q", "w"], ["y"], pads=[1, 0, 0, 0]),
    ]
    arrays = {
        "around": np.array([0, 0, 1, 1, 0, 0, 0, 0]),
        "left": np.array([0, 0, 0, 1, 0, 0, 1, 2]),
        "one": np.float32(1),
        "w": np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2),
    }
    weights = [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", [images], [output], weights)

    fold_pads(graph)

    assert [node.op_type for node in graph.node] == ["Pad", "Conv", "Conv"]
    assert list(graph.node[2].attribute[0].ints) == [1, 1, 1, 2]


def test_a_graph_of_other_weights_is_refused(tmp_path: Path) -> None:
    source = random_model("vit", tmp_path / "model", torch.float32)
    other = random_model("vit", tmp_path / "other", torch.float16)
    write_graph(source, source.path / GRAPH_NAME, 4)

    with pytest.raises(ModelError, match="belongs to other weights"):
        OnnxTower(source.path / GRAPH_NAME, other).encode(check_pixels(other.config.preprocessing))


def test_a_model_is_exported_once_and_then_runs_without_torch(
    tmp_path: Path, clipcli_process: Callable[..., Any], pictures: Path
) -> None:
    folder = random_model("vit", tmp_path / "model", torch.float32).path
    asked = ("classify", pictures, "--labels", "red, green", "--model", folder)

    first = clipcli_process(*asked, "--backend", "onnx", "--format", "jsonl", "--no-cache")
    again = clipcli_process(*asked, "--backend", "onnx", "--format", "jsonl", "--no-cache")
    torch_answers = clipcli_process(*asked, "--backend", "torch", "--precision", "fp32")

    assert first.returncode == again.returncode == torch_answers.returncode == 0, first.stderr
    assert "making the model ready for onnx" in first.stderr
    assert "making the model ready" not in again.stderr
    assert first.stdout == again.stdout


@pytest.mark.parametrize("kind", IMAGES)
def test_eight_bits_are_near_and_no_picture_changes_anothers_row(kind: str, tmp_path: Path) -> None:
    source = random_model(kind, tmp_path / "model", torch.float32)
    pixels = check_pixels(source.config.preprocessing)
    encoder = ModelEncoder(source, "auto", "int8")

    rows = encoder.encode_images(pixels)

    assert encoder.precision == "int8-onnx"
    assert (rows * torch_rows(source, pixels)).sum(axis=1).min() > 0.98
    np.testing.assert_array_equal(encoder.encode_images(pixels[3:5]), rows[3:5])


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        (("cuda", "auto", "onnx"), "on the cpu"),
        (("auto", "bf16", "onnx"), "not there with onnx"),
    ],
)
def test_what_does_not_go_together_is_refused_at_once(asked: tuple[str, ...], fact: str) -> None:
    with pytest.raises(DeviceError, match=fact):
        load_encoder("mini", *asked)


def test_an_imported_model_is_exported_like_any_other(tmp_path: Path) -> None:
    save_siglip(tmp_path / "siglip", is_second=True)
    source = open_model(tmp_path / "siglip")
    import_model(source, tmp_path / "ours")
    encoder = load_encoder(str(tmp_path / "ours"), "cpu", "fp32", "onnx")
    pixels = check_pixels(encoder.config.preprocessing)

    assert encoder.has_to_export
    np.testing.assert_allclose(
        encoder.encode_images(pixels), torch_rows(source, pixels), atol=TOLERANCE
    )


def test_no_library_reports_to_anybody(tmp_path: Path) -> None:
    picture = Path(__file__).parents[3] / "examples" / "photos" / "cat.jpg"
    known = ("CI", "GITHUB", "ORT_", "PYTEST", "XDG_")  # by these it may tell that it is tested
    environment = {key: value for key, value in os.environ.items() if not key.startswith(known)}
    homes = {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "clipcli", "classify", str(picture), "--labels", "cat,dog", "-q"],
        env=environment | homes,
        capture_output=True,
        check=True,
    )

    assert done.stdout.split(b"\t")[1] == b"cat"
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]


def test_a_tower_may_be_dropped_while_its_session_is_being_made() -> None:
    code = (
        "from clipcli.encoder.onnx.runner import GRAPH_NAME, OnnxTower\n"
        "from clipcli.models.folder import builtin_model_folder\n"
        "from clipcli.models.open import open_model\n"
        "source = open_model(builtin_model_folder())\n"
        "for _ in range(20):\n"
        "    OnnxTower(source.path / GRAPH_NAME, source)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0  # not -11: the weights were still there
