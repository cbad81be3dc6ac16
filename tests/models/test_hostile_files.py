"""Files that would run code, or that are not what they seem: refused in a line, nothing is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clipcli.errors import ExitCode, ModelError
from clipcli.models.formats.pickled import ModuleKind
from clipcli.models.formats.unpickle import unpickle
from clipcli.models.open import open_model
from tests.encoder.torch.reference import save_openai_archive

PREFIX = b"\x80\x02"


class Payload:
    """Writes a canary when unpickled the usual way."""

    def __init__(self, canary: Path, call: Callable[..., Any]) -> None:
        self._reduced = (call, (f"open({str(canary)!r}, 'w').close()",))

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture(params=["archive", "legacy", "bare pickle", "checkpoint"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path, canary: Path) -> Path:
    """Return a file of weights with a payload, in each of the forms that pickles come in."""
    path = tmp_path / "model.pt"
    weights: dict[str, Any] = {"visual.proj": torch.ones(2), "payload": Payload(canary, exec)}
    if request.param == "bare pickle":
        path.write_bytes(pickle.dumps(weights["payload"]))
    elif request.param == "checkpoint":
        torch.save({"state_dict": {"w": torch.ones(2)}, "args": weights["payload"]}, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=request.param == "archive")
    return path


def test_payload_would_run_elsewhere(tmp_path: Path, canary: Path) -> None:
    torch.save(Payload(canary, exec), tmp_path / "model.pt")

    torch.load(tmp_path / "model.pt", weights_only=False)

    assert canary.exists()


def test_payload_in_a_pickle_is_not_run(hostile: Path, canary: Path) -> None:
    with pytest.raises(ModelError, match=r"refused.*exec.*nothing in it was run") as caught:
        open_model(hostile)

    assert not canary.exists()
    assert caught.value.exit_code == ExitCode.MODEL == 4
    assert "\n" not in caught.value.message


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_payload_in_a_torchscript_archive_is_not_run(tmp_path: Path, canary: Path) -> None:
    clean = save_openai_archive({"visual.proj": torch.ones(2)}, tmp_path / "clean.pt")
    hostile = tmp_path / "hostile.pt"
    with zipfile.ZipFile(clean) as source, zipfile.ZipFile(hostile, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith("/data.pkl"):
                content = pickle.dumps(Payload(canary, exec), protocol=2)
            target.writestr(info, content)

    with pytest.raises(ModelError, match=r"refused.*exec"):
        open_model(hostile)

    assert not canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"c__builtin__\neval\n.",
        b"cbuiltins\ngetattr\n.",
        b"ctorch.jit._pickle\nbuild_intlist\n.",  # belongs to TorchScript alone
        b"c__torch__.model\nModel\n.",
        b"ctorch\nload\n.",
        b"ctorch.storage\n_load_from_bytes\n.",
        b"ccollections\nOrderedDict.__init__\n.",
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\x8c\x02os\x8c\x06system\x93.",  # STACK_GLOBAL
        b"\x82\x01.",  # EXT1
    ],
)
def test_names_beyond_tensors_are_refused(program: bytes) -> None:
    with pytest.raises(ModelError, match="refused: its pickle asks for"):
        unpickle(PREFIX + program, "here")


@pytest.mark.parametrize("name", ["linecache", "os.path", "__torch__evil"])
def test_shells_are_for_torchscript_names_alone(name: str) -> None:
    with pytest.raises(ModelError, match="refused"):
        unpickle(PREFIX + f"c{name}\nModel\n.".encode(), "here", is_script=True)


def test_lookup_through_a_dotted_name_finds_nothing() -> None:
    program = b"\x80\x04\x8c\x0b__torch__.m\x8c\x13Model.__init__.__gl\x93."

    found = unpickle(program, "here", is_script=True)

    assert found == ModuleKind("__torch__.m.Model.__init__.__gl")  # a name, and nothing behind it


def test_huge_memo_index_takes_no_memory() -> None:
    program = PREFIX + b"Nr\xff\xff\xff\x7f."  # remember None as number 2,147,483,647

    assert unpickle(program, "here") is None


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b".",
        b"garbage",
        b"N",  # no end
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",  # bytes of a length beyond the file's
        b"ccollections\nOrderedDict\n(I1\ntb.",  # state for a class
        b"X\x02\x00\x00\x00\xff\xfe.",  # text that is not UTF-8
        b"(" * 100_000,
    ],
)
def test_damaged_pickle_is_an_error(program: bytes) -> None:
    with pytest.raises(ModelError, match=r"damaged|refused"):
        unpickle(PREFIX + program, "here")


def test_tensor_beyond_its_storage_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"visual.proj": torch.ones(4)}, path)
    content = path.read_bytes().replace(b"K\x04\x85", b"K\x7f\x85")  # its shape
    path.write_bytes(content)

    with pytest.raises(ModelError, match="damaged"):
        open_model(path)


@pytest.mark.parametrize("is_zip", [True, False])
def test_truncated_torch_file_is_an_error(is_zip: bool, tmp_path: Path) -> None:
    whole = tmp_path / "whole.pt"
    torch.save({"visual.proj": torch.ones(4000)}, whole, _use_new_zipfile_serialization=is_zip)
    content = whole.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut.pt"
        path.write_bytes(content[: int(len(content) * share)])

        with pytest.raises(ModelError, match=r"truncated|damaged"):
            open_model(path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "ViT.pt"])
@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"", "empty"),
        (b"\x00" * 100, "not a"),
        (b'{"error": "Repository not found"}', "not a|truncated"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(
    name: str, content: bytes, fact: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ModelError, match=fact) as caught:
        open_model(path)

    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_module_saved_as_a_whole_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")

    with pytest.raises(ModelError, match=r"refused.*torch\.nn\.modules\.linear\.Linear") as caught:
        open_model(tmp_path / "model.pt")

    assert "state_dict" in (caught.value.hint or "")
