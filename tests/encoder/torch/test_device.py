"""Devices and precisions: those that are there, and a clear word about those that are not."""

from __future__ import annotations

import pytest
import torch

from clipcli.encoder.torch import device as device_module
from clipcli.encoder.torch.device import resolve_device, resolve_precision
from clipcli.errors import DeviceError, ExitCode

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")],
)
def test_cuda_comes_first(name: str, expected: str) -> None:
    assert str(resolve_device(name)) == expected


@pytest.mark.usefixtures("apple")
def test_mps_comes_before_the_cpu() -> None:
    assert str(resolve_device("auto")) == "mps"


@pytest.mark.usefixtures("bare")
def test_the_cpu_is_always_there() -> None:
    assert str(resolve_device("auto")) == "cpu"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["cuda:2", "mps", "gpu", "cuda:", "", "CPU"])
def test_names_what_is_there_when_a_device_is_not(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)

    assert caught.value.message == f"device {name!r} is not available"
    assert caught.value.hint == "available here: cuda:0, cuda:1, cpu"
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(("fast", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_on_a_cpu_is_what_it_computes_fast(
    monkeypatch: pytest.MonkeyPatch, fast: bool, expected: str
) -> None:
    monkeypatch.setattr(device_module, "has_fast_bf16", lambda: fast)

    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("AVX2", "fp32"), ("avx512_core", "fp32"), ("ALL", "bf16"), ("", "bf16")],
)
@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_auto_precision_heeds_what_one_dnn_may_use(
    monkeypatch: pytest.MonkeyPatch, name: str, limit: str, expected: str
) -> None:
    for other in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)

    monkeypatch.setenv(name, limit)

    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(("device", "expected"), [("cuda:0", "fp16"), ("mps", "fp32")])
def test_auto_precision_elsewhere(device: str, expected: str) -> None:
    assert resolve_precision("auto", torch.device(device)) == expected


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_used(name: str) -> None:
    assert resolve_precision(name, CPU) == name


def test_refuses_a_precision_that_does_not_exist() -> None:
    with pytest.raises(DeviceError, match="precision 'int4' is not known") as caught:
        resolve_precision("int4", CPU)

    assert caught.value.hint == "use auto, fp32, bf16, fp16"


def test_refuses_a_precision_that_the_device_cannot_compute() -> None:
    with pytest.raises(DeviceError, match="precision 'fp16' is not available on mps"):
        resolve_precision("fp16", torch.device("mps"))  # absent here, so every product fails
