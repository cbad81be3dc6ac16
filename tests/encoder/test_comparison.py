"""How far a backend may be from torch."""

from __future__ import annotations

import numpy as np
import pytest

from clipcli.encoder.comparison import Comparison, compare, images_per_s
from clipcli.errors import DeviceError

LABELS = np.array([[1.0, 0.0], [0.0, 1.0]])


def turned(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (n, 2)


def test_tells_cosines_and_how_many_choose_the_same_label() -> None:
    expected, rows = turned([0, 10, 40]), turned([0, 20, 70])  # the last crosses to the other label

    found = compare(rows, expected, LABELS)

    assert found.mean_cosine == pytest.approx((1 + np.cos(np.pi / 18) + np.cos(np.pi / 6)) / 3)
    assert found.least_cosine == pytest.approx(np.cos(np.pi / 6))
    assert (found.n_agreeing, found.n_pictures) == (2, 3)


def test_a_toss_up_between_labels_is_no_disagreement() -> None:
    expected, rows = turned([44.9]), turned([45.1])  # cosines 0.7083 and 0.7059 to the labels

    assert compare(rows, expected, LABELS).n_agreeing == 1


@pytest.mark.parametrize(
    "found",
    [
        Comparison(0.97, 0.95, 16, 16),
        Comparison(0.99, 0.85, 16, 16),
        Comparison(0.99, 0.95, 12, 16),
    ],
)
def test_what_deviates_too_much_is_refused_with_its_figures(found: Comparison) -> None:
    with pytest.raises(DeviceError, match="too inexact with openvino in int8") as caught:
        found.check("openvino in int8", "my-model")

    assert "'my-model'" in caught.value.message
    assert f"{found.n_agreeing} of 16" in caught.value.message
    assert "--backend torch" in str(caught.value.hint)


def test_what_is_near_enough_passes() -> None:
    Comparison(0.99, 0.95, 15, 16).check("openvino in int8", "my-model")


def test_in_fp32_another_number_is_another_network() -> None:
    far, near = Comparison(1.0, 1.0, 16, 16, 2e-3), Comparison(1.0, 1.0, 16, 16, 2e-5)

    near.check("onnx in fp32", "my-model", "fp32")
    with pytest.raises(DeviceError, match="too inexact with onnx"):
        far.check("onnx in fp32", "my-model", "fp32")


def test_an_engine_that_is_slower_than_the_usual_one_says_so_with_both_figures() -> None:
    slow = Comparison(1.0, 1.0, 16, 16, 0.0, 20.4, 30.6, "torch bf16")
    even = Comparison(1.0, 1.0, 16, 16, 0.0, 29.9, 30.6, "torch bf16")

    assert slow.slower == (
        "slower here than torch bf16: 20 pictures a second against 31; leave --backend out"
    )
    assert even.slower == Comparison(1.0, 1.0, 16, 16).slower == ""


def test_pictures_a_second_are_those_of_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.4, 10.9, 11.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))

    rate = images_per_s(lambda batch: None, np.zeros((5, 2, 2, 3), np.uint8), 1.0)

    assert rate == pytest.approx(3 * 5 / 1.25)
