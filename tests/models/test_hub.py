"""Pulling from a hub on loopback: whole, resumed, damaged, offline, refused, two at once."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import pytest

from clipcli.errors import ExitCode, ModelError
from clipcli.models import store as modelstore
from clipcli.models.catalog import catalog
from clipcli.models.config import (
    Architecture,
    ModelConfig,
    Preprocessing,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.folder import write_model_folder
from clipcli.models.formats.safetensors import RawTensor
from clipcli.models.hub import download as hubfile
from clipcli.models.hub import pull as hub
from clipcli.models.hub.pull import HubModel, find_hub_model, pull
from clipcli.models.resolve import open_named
from clipcli.models.store import find_installed, installed_models
from clipcli.models.tokenizer.vocabulary import Vocabulary
from tests.hubserver import COMMIT, REPOSITORY, Hub, serve

constants = pytest.importorskip("huggingface_hub.constants")

NAME = "tiny-clip"
WEIGHTS = "model.safetensors"
CHUNK = 1 << 14
TEXT = TextTransformer(16, 515, width=8, layers=1, heads=1, mlp_width=8)
ARCHITECTURE = Architecture(4, VisionTransformer(8, 4, 8, 1, 1, 8), TEXT, "gelu")
CONFIG = ModelConfig(
    "small", ARCHITECTURE, Preprocessing(8), logit_scale=math.exp(3.0), licence="mit"
)
# Nobody looks into these before the network is built, except at the scale.
TENSORS = {
    "logit_scale": RawTensor("F32", (), struct.pack("<f", 3.0)),
    "w": RawTensor("U8", (300_000,), bytes(range(250)) * 1200),
}


class QuickTime:
    """Time without waiting: what the hub's library sleeps through between attempts."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """Do not."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return a repository: a whole model, and what else people put beside it."""
    folder = tmp_path_factory.mktemp("repository") / "model"
    write_model_folder(folder, TENSORS, CONFIG, Vocabulary.from_merges([("c", "a")]), "# Tiny\n")
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return found | {"README.md": b"# Tiny\n", "pytorch_model.bin": b"\x80\x02", "sub/x.json": b"{}"}


@pytest.fixture
def server(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """Run a hub, and point the library and our store at it and at empty folders."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    with serve(Hub(dict(files))) as running:
        _isolate(tmp_path, monkeypatch)
        template = running.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": running.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
            "HF_HUB_OFFLINE": False,
            "HF_TOKEN_PATH": str(tmp_path / "hf" / "token"),
            "HF_HUB_ETAG_TIMEOUT": 5,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
            "DOWNLOAD_CHUNK_SIZE": CHUNK,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(file_download, "time", QuickTime())
        monkeypatch.setattr(_http, "time", QuickTime())
        _http.close_session()
        yield running
    _http.close_session()


def _isolate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPCLI_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CLIPCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("CLIPCLI_MODEL", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: config)


def pull_tiny() -> modelstore.Installed:
    return pull(find_hub_model(REPOSITORY))


def refusal() -> ModelError:
    """Pull, and return the error; nothing may be installed by then."""
    with pytest.raises(ModelError) as caught:
        pull_tiny()

    assert caught.value.exit_code == ExitCode.MODEL == 4
    assert "\n" not in caught.value.message
    assert find_installed(NAME) is None
    return caught.value


def blobs() -> list[str]:
    folder = Path(constants.HF_HUB_CACHE) / "models--someone--tiny-clip" / "blobs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_whole_pull_fetches_what_is_needed_and_nothing_else(
    server: Hub, files: dict[str, bytes]
) -> None:
    model = pull_tiny()

    wanted = {"config.json", "merges.txt", WEIGHTS}
    got = {asked.path.rpartition("/")[2] for asked in server.of("GET", "/resolve/")}
    folder = model.find_path()
    assert got == wanted
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: files[name] for name in wanted
    }
    assert COMMIT in folder.parts
    assert folder.is_relative_to(constants.HF_HUB_CACHE)
    assert [path.name for path in model.folder.iterdir()] == ["pulled.json"]
    assert open_named(NAME).config == replace(
        CONFIG,
        name=NAME,
        fingerprint=model.pointer().fingerprint,
        logit_scale=pytest.approx(math.exp(3)),
    )


def test_a_cut_in_the_middle_is_resumed_where_it_was(server: Hub) -> None:
    server.cuts = [100_000]

    pull_tiny()

    first, second = server.of("GET", "/cdn/")
    assert first.begin is None
    assert second.begin == 100_000 // CHUNK * CHUNK


def test_an_interrupted_pull_goes_on_when_it_is_started_again(server: Hub) -> None:
    server.cuts = [100_000] + [0] * 5

    error = refusal()
    n_asked = len(server.asked)
    model = pull_tiny()

    later = [asked for asked in server.asked[n_asked:] if "/cdn/" in asked.path]
    assert "broke off" in error.message
    assert "goes on where it stopped" in (error.hint or "")
    assert {asked.begin for asked in later if asked.method == "GET"} == {100_000 // CHUNK * CHUNK}
    assert (model.find_path() / WEIGHTS).read_bytes() == server.files[WEIGHTS]
    assert not any(name.endswith(".incomplete") for name in blobs())


def test_a_killed_pull_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    size = 24_000_000
    folder = tmp_path / "repository"
    tensors = TENSORS | {"w": RawTensor("U8", (size,), bytes(size))}
    write_model_folder(folder, tensors, CONFIG, Vocabulary.from_merges([("c", "a")]), "# Tiny\n")
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = [sys.executable, "-m", "clipcli", "models", "pull", REPOSITORY]
    with serve(Hub(content)) as running:
        environment = os.environ | {
            "HF_ENDPOINT": running.endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "CLIPCLI_MODELS": str(tmp_path / "models"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "CLIPCLI_CACHE": str(tmp_path / "cache"),
            "NO_PROXY": "127.0.0.1,localhost",
        }
        running.stalls = True
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        partial = wait_for_partial(tmp_path / "hf" / "hub", at_least=10_000_000)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
        running.stalls = False
        again = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert process.returncode == 130
    assert told.splitlines()[-1] == "clipcli: interrupted"
    assert again.returncode == 0, again.stderr
    assert "is installed" in again.stderr
    assert running.of("GET", "/cdn/")[-1].begin == partial
    assert (tmp_path / "models" / NAME / "pulled.json").is_file()


def wait_for_partial(folder: Path, at_least: int) -> int:
    """Return how much of a file has come, once that is enough and no more comes."""
    for _ in range(400):
        time.sleep(0.05)
        sizes = [path.stat().st_size for path in folder.glob("*/blobs/*.incomplete")]
        if sizes and sizes[0] >= at_least:
            return sizes[0]
    pytest.fail("nothing came")


def test_a_wrong_hash_is_refused_and_leaves_nothing(server: Hub) -> None:
    good = server.files[WEIGHTS]
    server.bodies[WEIGHTS] = good[:-1] + bytes([good[-1] ^ 1])

    error = refusal()
    left = blobs()
    server.bodies.clear()
    model = pull_tiny()

    assert server.sha256(WEIGHTS) in error.message
    assert not any(name.startswith(server.sha256(WEIGHTS)) for name in left)
    assert (model.find_path() / WEIGHTS).read_bytes() == good


def test_a_file_that_went_bad_in_the_cache_is_told(server: Hub) -> None:
    model = pull_tiny()
    weights = model.find_path() / WEIGHTS
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    modelstore.remove(model)

    error = refusal()

    assert "damaged" in error.message
    assert str(weights) in error.message


def test_a_hash_that_is_not_the_catalogues_is_refused_before_the_download(server: Hub) -> None:
    entry = replace(
        catalog.catalog()[0],
        repository=REPOSITORY,
        files=(),
        layout="huggingface",
        sha256=MappingProxyType({WEIGHTS: "0" * 64}),
    )

    with pytest.raises(ModelError, match="in the catalogue"):
        pull(HubModel(NAME, REPOSITORY, entry))

    assert not server.of("GET", "/resolve/")


def test_a_model_that_is_not_what_the_catalogue_says_is_refused(server: Hub) -> None:
    entry = replace(
        catalog.catalog()[0],
        repository=REPOSITORY,
        files=(),
        layout="huggingface",
        sha256=MappingProxyType({}),
        architecture=replace(ARCHITECTURE, embed_dim=5),
    )

    with pytest.raises(ModelError, match="architecture is not the one in the catalogue"):
        pull(HubModel(NAME, REPOSITORY, entry))

    assert find_installed(NAME) is None


def test_offline_afterwards_it_serves_and_can_be_installed_again(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pull_tiny().pointer()
    n_asked = len(server.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    opened = open_named(NAME)
    modelstore.remove(installed_models()[NAME])
    again = pull_tiny().pointer()

    assert opened.config.name == NAME
    assert again == replace(before, licence=again.licence)
    assert len(server.asked) == n_asked


def test_offline_before_the_first_pull_is_an_error(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    error = refusal()

    assert "HF_HUB_OFFLINE" in error.message
    assert "import" in (error.hint or "")
    assert not server.asked


def test_two_pulls_at_once_fetch_the_weights_once(server: Hub) -> None:
    outcomes: list[object] = []

    def work() -> None:
        try:
            outcomes.append(pull_tiny().name)
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert outcomes == [NAME, NAME]
    assert len(server.of("GET", "/cdn/")) == 1
    assert open_named(NAME).config.name == NAME


@pytest.mark.parametrize(
    ("status", "fact", "hint"),
    [
        (401, "answers 401: there is no such model, or it is not public", "HF_TOKEN"),
        (403, "access is restricted", "accept the model's terms"),
        (404, "answers 404: there is no such model", "check the name"),
        (429, "too many requests", "try again in 7 s"),
        (500, "answers 500", "try again later"),
    ],
)
@pytest.mark.parametrize("at", [REPOSITORY, "config.json", f"cdn/{WEIGHTS}"])
def test_an_answer_that_is_none_is_one_line(
    server: Hub, status: int, fact: str, hint: str, at: str
) -> None:
    server.statuses[at] = status

    error = refusal()

    assert fact in error.message
    assert hint in (error.hint or "")
    assert len(server.asked) < 30


def test_a_server_that_stalls_is_given_up(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stalls = True
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    begin = time.monotonic()

    error = refusal()

    assert "broke off" in error.message
    assert time.monotonic() - begin < 15


def test_nobody_there_is_one_line(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    assert "broke off" in refusal().message


def test_a_network_that_wants_a_login_is_not_taken_for_a_hub(server: Hub) -> None:
    server.is_portal = True

    assert "not a hub's" in refusal().message
    assert blobs() == []


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "LFS pointer"),
        (b"<!doctype html><p>Sorry</p>", "web page"),
        (b"", "empty"),
    ],
)
def test_files_that_are_no_model_are_not_installed(server: Hub, content: bytes, fact: str) -> None:
    server.files[WEIGHTS] = content

    assert fact in refusal().message


def test_a_truncated_file_is_not_installed(server: Hub) -> None:
    server.files[WEIGHTS] = server.files[WEIGHTS][:-1000]

    assert "truncated" in refusal().message


@pytest.mark.parametrize("shard", ["../../etc/x.safetensors", "/etc/x", "a\\b", "C:x"])
def test_a_shard_that_leaves_the_folder_is_refused(server: Hub, shard: str) -> None:
    weights = server.files.pop(WEIGHTS)
    server.files["model-00001-of-00001.safetensors"] = weights
    index = {"weight_map": {"w": shard, "logit_scale": "model-00001-of-00001.safetensors"}}
    server.files["model.safetensors.index.json"] = json.dumps(index).encode()

    error = refusal()

    assert "leaves the folder" in error.message
    assert not server.of("GET", "/cdn/")


def test_a_commit_or_etag_that_would_be_a_path_is_refused(server: Hub) -> None:
    server.commit = "../../../../etc/passwd"

    assert "not a hub's" in refusal().message


def test_a_store_that_cannot_be_written_is_told_before_anything_is_asked(
    server: Hub, tmp_path: Path
) -> None:
    (tmp_path / "models").write_text("a file stands where the folder should be", encoding="utf-8")

    error = refusal()

    assert "cannot be installed there" in error.message
    assert "CLIPCLI_MODELS" in (error.hint or "")
    assert not server.asked


def test_a_disk_that_is_too_small_is_told_before_the_download(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "free_bytes", lambda _: 1000)

    error = refusal()

    assert "MB are needed" in error.message
    assert "HF_HOME" in (error.hint or "")
    assert not server.of("GET", "/resolve/")


def test_a_disk_that_fills_up_is_told_and_given_its_room_back(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import file_download

    def run_out(url: str, out: Any, **_: object) -> NoReturn:
        out.write(b"x")
        out.flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", run_out)

    error = refusal()

    assert "the disk is full" in error.message
    assert blobs() == []


def test_the_token_goes_to_the_hub_and_no_further(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    pull_tiny()

    assert {asked.token for asked in server.of("GET", "/api/")} == {"Bearer hf_secret"}
    assert {asked.token for asked in server.of("GET", "/resolve/")} == {"Bearer hf_secret"}
    assert {asked.token for asked in server.of("GET", "/cdn/")} == {None}


def test_room_is_counted_without_what_is_there_already(server: Hub) -> None:
    server.cuts = [100_000] + [0] * 5
    refusal()

    n = hubfile.partial_bytes(
        hubfile.HubFile(REPOSITORY, COMMIT, WEIGHTS, None, server.sha256(WEIGHTS))
    )

    assert n == 100_000 // CHUNK * CHUNK


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("ViT-B/32", "timm/vit_base_patch32_clip_224.openai"),
        ("hf-hub:someone/model", "someone/model"),
        ("https://huggingface.co/someone/model", "someone/model"),
    ],
)
def test_a_name_means_a_repository(name: str, repository: str) -> None:
    assert find_hub_model(name).repository == repository


@pytest.mark.parametrize("name", ["ViT-B/23", "nothing like it", "../..", "a/b/c", "a/..", ""])
def test_a_name_that_means_nothing_is_an_error(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        pull(find_hub_model(name))

    assert caught.value.hint
