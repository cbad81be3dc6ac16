"""The text tower in numpy: torch's rows but for rounding, whatever is encoded with what."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clipcli.encoder.numpy_text.tower import NumpyTextTower
from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.load import build_model, stored_tensors
from clipcli.encoder.torch.siglip import Siglip
from clipcli.errors import ModelError
from clipcli.models.config import (
    Activation,
    AnyArchitecture,
    ModelConfig,
    Preprocessing,
    SiglipArchitecture,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.folder import builtin_model_folder, open_model_folder
from clipcli.models.formats.safetensors import read_tensor_table, write_tensors
from clipcli.models.formats.tensor_map import StoredTensor, as_they_are
from clipcli.models.source import ModelSource, source_of
from tests.conftest import ROOT
from tests.encoder.states import read_state
from tests.encoder.torch.conftest import ARCHITECTURES, TEXT, make_restless

TOLERANCE = 1e-5
START, END = TEXT.vocab_size - 2, TEXT.vocab_size - 1
SIGLIP = SiglipArchitecture(
    24,
    VisionTransformer(32, 8, 48, 1, 3, 96),
    TextTransformer(10, 50, width=32, layers=3, heads=4, mlp_width=80),
    "gelu_tanh",
    "lower",
    "</s>",
    "<pad>",
)


def processor_flags() -> str:
    information = Path("/proc/cpuinfo")
    return information.read_text(encoding="utf-8") if information.exists() else ""


def network(architecture: AnyArchitecture) -> CLIP | Siglip:
    torch.manual_seed(3)
    is_siglip = isinstance(architecture, SiglipArchitecture)
    model = Siglip(architecture) if is_siglip else CLIP(architecture)  # type: ignore[arg-type]
    make_restless(model)
    return model.eval()


def stored(model: CLIP | Siglip, path: Path, dtype: torch.dtype = torch.float32) -> ModelSource:
    """Write a model's tensors, and return them as a source."""
    write_tensors(path, stored_tensors(model.state_dict(), dtype))
    size = model.architecture.image.image_size
    config = ModelConfig("model", model.architecture, Preprocessing(size), logit_scale=1.0)
    table = {name: StoredTensor(path, place) for name, place in read_tensor_table(path).items()}
    return ModelSource(path, "state dict", config, as_they_are(table), path)


def texts(architecture: AnyArchitecture, n: int = 30) -> list[list[int]]:
    """Return texts that begin alike in twos and threes, one of them twice."""
    draw = random.Random(5)
    if isinstance(architecture, SiglipArchitecture):
        length = architecture.text.context_length
        made = [[draw.randrange(50) for _ in range(length)] for _ in range(n)]
    else:
        beginnings = [[draw.randrange(300) for _ in range(k)] for k in (0, 1, 5, 12)]
        made = [
            [START, *draw.choice(beginnings), *(draw.randrange(300) for _ in range(i % 6)), END]
            for i in range(n)
        ]
    return [*made, made[n // 2]]


@torch.inference_mode()
def torch_rows(source: ModelSource, some_texts: list[list[int]]) -> np.ndarray:
    """Encode one text after the other, as the network does it by itself."""
    state = {name: tensor.float() for name, tensor in read_state(source.path).items()}
    model = build_model(source.config.architecture, state, "test")
    rows = [model.encode_text(torch.tensor([text])) for text in some_texts]
    return F.normalize(torch.cat(rows)).numpy()


def with_activation(architecture: AnyArchitecture, activation: Activation) -> AnyArchitecture:
    return replace(architecture, activation=activation)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("architecture", [ARCHITECTURES["vit"], SIGLIP], ids=["clip", "siglip"])
def test_rows_are_those_of_torch(
    architecture: AnyArchitecture, activation: Activation, tmp_path: Path
) -> None:
    architecture = with_activation(architecture, activation)
    source = stored(network(architecture), tmp_path / "weights")

    rows = NumpyTextTower(source).encode(texts(architecture))

    assert rows.dtype == np.float32
    expected = torch_rows(source, texts(architecture))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_read_as_they_are_stored(dtype: torch.dtype, tmp_path: Path) -> None:
    source = stored(network(SIGLIP), tmp_path / "weights", dtype)

    rows = NumpyTextTower(source).encode(texts(SIGLIP))

    expected = torch_rows(source, texts(SIGLIP))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=TOLERANCE)


def test_the_bundled_models_rows_are_those_of_torch() -> None:
    source = source_of(open_model_folder(builtin_model_folder()))
    tokenizer = source.read_tokenizer()
    prompts = ["a photo of a cat.", "a photo of a cat", "", "naïve café 山", "x" * 300]
    ids = [tokenizer.tokenize(prompt).ids for prompt in prompts]
    weights = source._replace(path=builtin_model_folder() / "model.safetensors")

    rows = NumpyTextTower(source).encode(ids)

    np.testing.assert_allclose(rows, torch_rows(weights, ids), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("architecture", [ARCHITECTURES["vit"], SIGLIP], ids=["clip", "siglip"])
def test_a_texts_row_is_the_same_whichever_texts_it_is_encoded_with(
    architecture: AnyArchitecture, tmp_path: Path
) -> None:
    tower = NumpyTextTower(stored(network(architecture), tmp_path / "weights"))
    some = texts(architecture)

    alone = np.concatenate([tower.encode([text]) for text in some])

    np.testing.assert_allclose(tower.encode(some), alone, rtol=0, atol=1e-6)
    many = tower.encode(some[::-1] * 40)[: len(some)]
    np.testing.assert_allclose(many, alone[::-1], rtol=0, atol=1e-6)


@pytest.mark.skipif("avx512f" not in processor_flags(), reason="others sum in any order")
def test_a_label_of_the_bundled_model_has_exactly_the_same_row_in_any_set() -> None:
    source = source_of(open_model_folder(builtin_model_folder()))
    tokenizer = source.read_tokenizer()
    words = ["cat", "old dog", "teapot", "red double-decker bus", "snow", "x-ray"]
    sentences = ["a photo of a {}.", "a {} seen from a distance.", "{}"]
    prompts = [s.replace("{}", word) for word in words for s in sentences]
    some = [tokenizer.tokenize(prompt).ids for prompt in prompts]
    tower = NumpyTextTower(source)

    alone = np.concatenate([tower.encode(some[i : i + 3]) for i in range(0, len(some), 3)])

    np.testing.assert_array_equal(tower.encode(some), alone)
    np.testing.assert_array_equal(
        tower.encode([*some * 30, some[3][:-3] + some[3][-1:]])[:18], alone
    )


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    tower = NumpyTextTower(stored(network(SIGLIP), tmp_path / "weights"))

    assert tower.encode([]).shape == (0, 24)


def test_large_activations_do_not_overflow(tmp_path: Path) -> None:
    model = network(ARCHITECTURES["vit"])
    with torch.no_grad():
        model.transformer.resblocks[0].mlp.c_fc.weight.mul_(1e4)  # type: ignore[union-attr]
    source = stored(model, tmp_path / "weights")

    rows = NumpyTextTower(source).encode([[START, 7, END]])

    np.testing.assert_allclose(rows, torch_rows(source, [[START, 7, END]]), rtol=0, atol=TOLERANCE)


def test_rows_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    model = network(ARCHITECTURES["vit"])
    with torch.no_grad():
        model.ln_final.weight.fill_(float("nan"))
    tower = NumpyTextTower(stored(model, tmp_path / "weights"))

    with pytest.raises(ModelError, match="no finite vectors"):
        tower.encode([[START, END]])


@pytest.mark.parametrize(
    ("ids", "fact"), [([START, END + 1], "more tokens"), ([START, *[5] * 20, END], "longer than")]
)
def test_ids_that_the_network_has_no_place_for_are_refused(
    ids: list[int], fact: str, tmp_path: Path
) -> None:
    tower = NumpyTextTower(stored(network(ARCHITECTURES["vit"]), tmp_path / "weights"))

    with pytest.raises(ModelError, match=fact):
        tower.encode([ids])


def drop(state: dict[str, torch.Tensor]) -> None:
    del state["ln_final.bias"]


def add(state: dict[str, torch.Tensor]) -> None:
    state["transformer.resblocks.2.ln_1.bias"] = torch.zeros(32)


def bend(state: dict[str, torch.Tensor]) -> None:
    state["text_projection"] = torch.zeros(24, 32)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (drop, r"1 missing \(ln_final.bias\)"),
        (add, r"1 unexpected \(transformer.resblocks.2.ln_1.bias\)"),
        (bend, r"1 of another shape \(text_projection 24x32 where 32x24 belongs\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, fact: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = network(ARCHITECTURES["vit"])
    state = model.state_dict()
    change(state)
    write_tensors(tmp_path / "weights", stored_tensors(state, torch.float32))
    config = ModelConfig("model", model.architecture, Preprocessing(32), logit_scale=1.0)
    table = read_tensor_table(tmp_path / "weights")
    plan = as_they_are({name: StoredTensor(tmp_path / "weights", table[name]) for name in table})

    with pytest.raises(ModelError, match=fact):
        NumpyTextTower(ModelSource(tmp_path, "state dict", config, plan, tmp_path))


def test_the_whole_table_of_tokens_is_never_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(replace(ARCHITECTURES["vit"], text=replace(TEXT, vocab_size=5000)))
    source = stored(model, tmp_path / "weights", torch.float16)
    read: list[str] = []
    from clipcli.encoder.numpy_text.tensors import TensorReader

    whole = TensorReader.read

    def watched(reader: TensorReader, name: str) -> np.ndarray:
        read.append(name)
        return whole(reader, name)

    monkeypatch.setattr(TensorReader, "read", watched)

    NumpyTextTower(source).encode([[4998, 1, 4999]])

    assert "ln_final.weight" in read
    assert "token_embedding.weight" not in read


def test_encoding_a_few_plain_prompts_imports_nothing_that_is_slow() -> None:
    program = (
        "import sys\n"
        "from clipcli.encoder.encoder import load_encoder\n"
        "rows = load_encoder('mini').encode_texts(['a cat', 'a dog'])\n"
        "print(rows.shape, {'torch', 'ftfy', 'rich', 'PIL', 'yaml'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert finished.stdout == "(2, 256) set()\n"


def test_erf_is_that_of_the_standard_library() -> None:
    from math import erf

    from clipcli.encoder.numpy_text.block import ACTIVATIONS

    x = np.linspace(-12, 12, 4001, dtype=np.float32)
    expected = [value * (1 + erf(value / 2**0.5)) / 2 for value in x.tolist()]

    ACTIVATIONS["gelu"](x)

    np.testing.assert_allclose(x, expected, rtol=0, atol=5e-7)


def test_models_of_this_file_are_no_idle_ones() -> None:
    assert isinstance(network(SIGLIP), nn.Module)
    rows = [network(SIGLIP).encode_text(torch.tensor([text])) for text in texts(SIGLIP)[:2]]
    assert not torch.allclose(rows[0], rows[1], atol=1e-2)
