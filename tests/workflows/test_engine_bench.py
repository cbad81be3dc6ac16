"""Measuring engines: near ones only are recommended, and what is stored is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcli.cli.app import run
from clipcli.encoder import engines
from clipcli.encoder.encoder import load_encoder
from clipcli.workflows import engine_bench
from clipcli.workflows.engine_bench import EngineBench, EngineMeasurement


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_bench, "ROUND_S", 0.01)
    monkeypatch.setattr(engine_bench, "find_spec", lambda name: name == "onnxruntime")
    monkeypatch.setattr(engines, "WORTH_EXPORTING", 0)
    monkeypatch.setattr(engines, "may_have_card", lambda: False)


def test_all_engines_are_measured_beside_torch_and_the_best_is_kept(
    tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["doctor", "--model", str(tiny_model_folder), "--bench", "--save"])

    told = capsys.readouterr().out.splitlines()
    assert code == 0
    lines = {line[:16].strip(): line for line in told[:-1]}
    assert {"torch fp32", "onnx fp32", "onnx int8"} <= set(lines)
    assert lines["onnx fp32"].endswith("cosine 1.00000")
    best = told[-1].removeprefix("best for tiny: ").removesuffix(", kept").split()
    encoder = load_encoder(str(tiny_model_folder))
    assert [encoder.backend, encoder.asked[1]] == best


def test_the_fastest_is_not_the_best_if_it_is_far_off(tiny_model_folder: Path) -> None:
    bench = EngineBench(str(tiny_model_folder))
    bench.engines = [
        EngineMeasurement("torch", "fp32", 10.0, 1.0),
        EngineMeasurement("onnx", "fp32", 20.0, 0.9999999),
        EngineMeasurement("onnx", "int8", 40.0, 0.99),
        EngineMeasurement("openvino", "int8", fault="too inexact"),
    ]

    assert bench.best.name == "onnx fp32"
