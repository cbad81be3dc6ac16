"""Weights go into the network exactly or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.load import (
    build_model,
    load_model,
    stored_tensors,
)
from clipcli.errors import ModelError
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.formats.openai import RELEASED
from clipcli.models.formats.safetensors import write_tensors
from tests.encoder.states import build_from_state, read_state

from .conftest import ARCHITECTURES

ROOT = Path(__file__).parents[3]
WriteFolder = Callable[..., ModelFolder]


def test_a_written_model_comes_back_as_it_was(model: CLIP, write_folder: WriteFolder) -> None:
    folder = write_folder(model)

    loaded = load_model(folder)

    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(state[name], tensor, atol=0, rtol=0)
    assert not loaded.training


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_stored_and_read_as_they_are(
    model: CLIP, write_folder: WriteFolder, dtype: torch.dtype
) -> None:
    folder = write_folder(model, dtype=dtype)

    as_stored, as_asked = load_model(folder, dtype=None), load_model(folder)

    for name, parameter in model.named_parameters():
        stored = as_stored.get_parameter(name)
        assert stored.dtype == dtype
        assert torch.equal(stored, parameter.to(dtype))
        assert torch.equal(as_asked.get_parameter(name), parameter.to(dtype).float())


def test_weights_are_not_copied(model: CLIP) -> None:
    state = model.state_dict()

    built = build_model(model.architecture, state, "here")

    pointers = {name: tensor.data_ptr() for name, tensor in built.named_parameters()}
    assert pointers == {name: state[name].data_ptr() for name in pointers}


def test_weightless_entries_of_published_files_are_left_aside(model: CLIP) -> None:
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    extras = {
        "input_resolution": torch.tensor(224),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
        "transformer.resblocks.0.attn_mask": torch.zeros(2, 2),
    }

    built = build_model(model.architecture, {**state, **extras}, "here")

    assert built.state_dict().keys() == model.state_dict().keys()


def test_loading_does_not_import_torchs_compiler() -> None:
    """It would take seconds; drawing normal numbers on the meta device is enough to cause it."""
    code = (
        "import sys; from clipcli.encoder.torch.load import empty_model; "
        "from clipcli.models.formats.openai import RELEASED; empty_model(RELEASED['ViT-B/32']); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )

    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert finished.returncode == 0


def test_says_which_tensors_do_not_fit() -> None:
    model = CLIP(ARCHITECTURES["vit"])
    state = model.state_dict()
    for name in list(state):
        if "resblocks.1.ln_" in name:
            del state[name]
    state["visual.extra"] = torch.zeros(1)
    state["text_projection"] = torch.zeros(32, 25)

    with pytest.raises(ModelError) as caught:
        build_model(model.architecture, state, "model.safetensors")

    assert caught.value.message.startswith("model.safetensors: does not fit the architecture: ")
    assert "8 missing (" in caught.value.message
    assert "and 5 more" in caught.value.message
    assert "1 unexpected (visual.extra)" in caught.value.message
    assert "text_projection 32x25 where 32x24 belongs" in caught.value.message


def test_builds_from_a_plain_state_dict_in_openais_layout() -> None:
    # Heads are inferred as 64 channels each, so widths are multiples of that here.
    released = RELEASED["ViT-B/32"]
    architecture = replace(
        released,
        image=replace(released.image, width=128, heads=2, mlp_width=512, layers=1),
        text=replace(released.text, width=64, heads=1, mlp_width=256, layers=2, vocab_size=99),
    )
    state = CLIP(architecture).state_dict()

    built = build_from_state(state, "quick_gelu", "here")

    assert built.architecture == architecture


def test_a_bias_that_the_architecture_lacks_is_refused() -> None:
    state = {**CLIP(ARCHITECTURES["vit"]).state_dict(), "logit_bias": torch.tensor(-10.0)}

    with pytest.raises(ModelError, match="logit_bias"):
        build_model(ARCHITECTURES["vit"], state, "here")


def test_reads_what_safetensors_itself_wrote(tmp_path: Path, model: CLIP) -> None:
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, tmp_path / "theirs.safetensors")
    write_tensors(tmp_path / "ours.safetensors", stored_tensors(state, torch.float32))

    theirs = read_state(tmp_path / "theirs.safetensors")
    ours = load_file(tmp_path / "ours.safetensors")

    assert theirs.keys() == state.keys()
    assert all(torch.equal(theirs[name], state[name]) for name in state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.items())
