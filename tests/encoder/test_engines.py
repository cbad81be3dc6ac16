"""Which engine runs a model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clipcli.encoder import engines
from clipcli.encoder.engines import choose_engine, remember
from clipcli.models.folder import builtin_model_folder
from clipcli.models.open import open_model
from clipcli.models.source import ModelSource

PLAIN, FAST = frozenset({"avx2"}), frozenset({"avx2", "avx512_bf16"})


@pytest.fixture
def large(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSource:
    """Return a model that somebody brought, on a machine without a card, and worth an export."""
    monkeypatch.setattr(engines, "WORTH_EXPORTING", 0)
    monkeypatch.setattr(engines, "may_have_card", lambda: False)
    return open_model(tiny_model_folder)


def use_processor(features: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "processor_features", lambda: features)


@pytest.mark.parametrize(
    ("asked", "on_plain", "on_fast"),
    [
        (("auto", "auto", "auto"), "onnx", "torch"),
        (("cpu", "auto", "auto"), "onnx", "torch"),
        (("auto", "fp32", "auto"), "onnx", "onnx"),
        (("auto", "int8", "auto"), "onnx", "onnx"),
        (("auto", "bf16", "auto"), "torch", "torch"),
        (("cuda:0", "auto", "auto"), "torch", "torch"),
        (("auto", "auto", "torch"), "torch", "torch"),
        (("auto", "auto", "onnx"), "onnx", "onnx"),
    ],
)
def test_engine_goes_by_what_is_asked_and_by_processor(
    asked: tuple[str, str, str],
    on_plain: str,
    on_fast: str,
    large: ModelSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for features, expected in ((PLAIN, on_plain), (FAST, on_fast)):
        use_processor(features, monkeypatch)

        assert choose_engine(large, *asked).backend == expected


def test_a_copy_of_the_bundled_model_chooses_for_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "may_have_card", lambda: False)
    use_processor(FAST, monkeypatch)
    copy = shutil.copytree(builtin_model_folder(), tmp_path / "copy")

    assert choose_engine(open_model(copy), "auto", "auto", "auto").backend == "torch"
    bundled = open_model(builtin_model_folder())
    assert choose_engine(bundled, "auto", "auto", "auto").backend == "onnx"


def test_a_choice_stays_with_a_model_on_its_kind_of_processor(
    large: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_processor(PLAIN, monkeypatch)
    assert choose_engine(large, "auto", "auto", "auto").backend == "onnx"

    monkeypatch.setattr(engines, "by_processor", lambda: "torch")  # a later version knows better
    assert choose_engine(large, "auto", "auto", "auto").backend == "onnx"
    remember(large, "torch", "bf16")
    assert choose_engine(large, "auto", "auto", "auto") == ("torch", "bf16")
    use_processor(FAST, monkeypatch)
    monkeypatch.setattr(engines, "by_processor", lambda: "onnx")
    assert choose_engine(large, "auto", "auto", "auto").backend == "onnx"


@pytest.mark.parametrize(
    "note", ["openvino auto", "onnx bf16", "torch int8", "auto auto", "fast auto", "onnx", " ", ""]
)
def test_a_choice_that_makes_no_sense_here_is_made_again(
    note: str, large: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "clipcli.encoder.exports.find_spec", lambda name: None if name == "openvino" else name
    )
    use_processor(PLAIN, monkeypatch)
    remember(large, *note.partition(" ")[::2])

    assert choose_engine(large, "auto", "auto", "auto") == ("onnx", "auto")


def test_a_note_of_engines_that_is_no_note_is_passed_over(
    large: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_processor(PLAIN, monkeypatch)
    remember(large, "torch")
    path = engines._choices_path()
    assert path is not None
    for content in (b"\xff\0", b"[" * 5000, b"[]", b'{"a": 1}', b"null"):
        path.write_bytes(content)

        assert choose_engine(large, "auto", "auto", "auto").backend == "onnx"


def test_a_card_is_left_to_torch_but_not_for_the_bundled_model(
    large: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "may_have_card", lambda: True)
    use_processor(PLAIN, monkeypatch)
    mini = open_model(builtin_model_folder())

    assert choose_engine(large, "auto", "auto", "auto").backend == "torch"
    assert choose_engine(large, "cpu", "auto", "auto").backend == "onnx"
    assert choose_engine(mini, "auto", "auto", "auto").backend == "onnx"


def test_toys_are_not_exported_unless_asked(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_processor(PLAIN, monkeypatch)
    toy = open_model(tiny_model_folder)

    assert choose_engine(toy, "auto", "auto", "auto").backend == "torch"


def test_torch_serves_where_there_is_no_onnx_runtime(
    large: ModelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)

    assert choose_engine(large, "auto", "auto", "auto").backend == "torch"
