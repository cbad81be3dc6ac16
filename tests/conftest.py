"""What every test starts from: a cache of its own, small pictures, a small model."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import hypothesis
import pytest
from PIL import Image

from tests.fakes import FakeEncoder

ROOT = Path(__file__).parent.parent
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}

Finished: TypeAlias = "subprocess.CompletedProcess[str]"


if "PYTEST_XDIST_WORKER" in os.environ:
    # Each core runs a process of tests already: more threads in each would only be in the way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# Files of a few long tests: at the end of a run one core would wait for them.
LONG = ("test_setup", "docs/test_blocks", "test_every_moment", "tests/fuzz", "test_half_warm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the long files first."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))


# How long an example takes is the machine's affair: several test processes share two cores.
hypothesis.settings.register_profile("clipcli", deadline=None)
hypothesis.settings.load_profile("clipcli")


@pytest.fixture(autouse=True, scope="session")
def heeded_signals() -> None:
    """Heed Ctrl-C and its like, which a background job or ``nohup`` has us and children ignore."""
    defaults = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL}
    for name, handler in (defaults | {"SIGHUP": signal.SIG_DFL}).items():
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Name folders, one after the other; ``mktemp`` looks through all that are there each time."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture
def home(homes: Iterator[Path]) -> Path:
    """Return where this test keeps what a user's home has, a folder that is there."""
    folder = next(homes)
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's cache, and from other tests' caches."""
    folder = home / "cache" / "clipcli"
    folder.parent.mkdir()
    monkeypatch.setenv("CLIPCLI_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def model_store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's models, downloads, journals and configuration."""
    monkeypatch.setenv("CLIPCLI_MODELS", str(home / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("HF_HOME", str(home / "huggingface"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: home / "config")
    monkeypatch.setenv("CLIPCLI_STATE", str(home / "state"))
    monkeypatch.setenv("CLIPCLI_CONFIG", "")  # no clipcli.toml of this machine
    monkeypatch.setenv("CLIPCLI_MODEL", "mini")  # chosen, so that nothing is said about it
    return home / "models"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with red.png, green.png and blue.png."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (8, 6), colour).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model folder with random weights: a real one in all but size and wit."""
    import torch

    from clipcli.encoder.torch.clip import CLIP
    from clipcli.encoder.torch.load import stored_tensors
    from clipcli.models.config import (
        Architecture,
        ModelConfig,
        Preprocessing,
        TextTransformer,
        VisionTransformer,
    )
    from clipcli.models.folder import write_model_folder
    from clipcli.models.tokenizer.learn import learn_vocabulary

    vocabulary = learn_vocabulary(["a photo of a cat.", "a photo of the dog."], 20)
    text = TextTransformer(32, len(vocabulary.ids), width=32, layers=2, heads=2, mlp_width=64)
    image = VisionTransformer(32, 8, width=32, layers=2, heads=2, mlp_width=64)
    torch.manual_seed(0)
    clip = CLIP(Architecture(32, image, text, "quick_gelu"))
    scale = clip.logit_scale.double().exp().item()
    config = ModelConfig("tiny", clip.architecture, Preprocessing(32), logit_scale=scale)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tensors = stored_tensors(clip.state_dict(), torch.float32)
    return write_model_folder(folder, tensors, config, vocabulary, "# tiny\n").path


@pytest.fixture
def use_tiny_model(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tiny model the default one."""
    monkeypatch.setenv("CLIPCLI_MODEL", str(tiny_model_folder))


@pytest.fixture
def clipcli_process() -> Callable[..., Finished]:
    """Return a function that runs the command line in a process of its own."""

    def run(*arguments: object, **options: Any) -> Finished:
        command = [sys.executable, "-m", "clipcli", *map(str, arguments)]
        settings = {"capture_output": True, "encoding": "utf-8", "timeout": 60, "check": False}
        # One thread: many small processes on few cores would only get into each other's way.
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, **(settings | {"env": environment} | options))  # noqa: PLW1510

    return run


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    """Put arithmetic in the place of every model that is asked for, and return it."""
    encoder = FakeEncoder()
    monkeypatch.setattr("clipcli.encoder.encoder.load_encoder", lambda *_: encoder)
    return encoder
