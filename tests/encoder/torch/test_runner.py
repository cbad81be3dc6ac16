"""Running the network: unit rows in order, whatever the batch, the precision or the memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clipcli.encoder.selfcheck import (
    FILE_NAME,
    allowed_deviation,
    golden_pictures,
    read_expectations,
)
from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.runner import (
    BatchLimit,
    TorchRunner,
    _encode_all,
    block_size,
    image_batch_size,
)
from clipcli.encoder.torch.transformer import attend
from clipcli.errors import DeviceError, ModelError
from clipcli.models.config import Architecture, EfficientNetLite, Preprocessing
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.folder import builtin_model_folder
from clipcli.models.open import open_model

CPU = torch.device("cpu")
TEXTS = [[514, 7, 9, 515], [514, 515], [514, *range(100, 118), 515], [514, 8, 515]]


def runner_of(model: CLIP, precision: str = "fp32") -> TorchRunner:
    preprocessing = Preprocessing(model.architecture.image.image_size)
    return TorchRunner(copy.deepcopy(model), preprocessing, CPU, precision)


def pictures(architecture: Architecture, n: int = 5) -> np.ndarray:
    size = architecture.image.image_size
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def plain_image_rows(model: CLIP, pixels: np.ndarray) -> np.ndarray:
    """Encode as the paper says: scale, normalise channel by channel, encode, unit length."""
    preprocessing = Preprocessing(model.architecture.image.image_size)
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    x = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        return F.normalize(model.encode_image(torch.from_numpy(x).float())).numpy()


def plain_text_rows(model: CLIP, texts: Sequence[Sequence[int]]) -> np.ndarray:
    length = model.architecture.text.context_length
    padded = torch.tensor([[*ids, *[0] * (length - len(ids))] for ids in texts])
    with torch.inference_mode():
        return F.normalize(model.encode_text(padded)).numpy()


def test_images_equal_the_plain_computation(model: CLIP) -> None:
    pixels = pictures(model.architecture)

    rows = runner_of(model).encode_images(pixels)

    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, plain_image_rows(model, pixels), atol=1e-5)


def test_texts_equal_the_plain_computation_in_the_order_given(model: CLIP) -> None:
    rows = runner_of(model).encode_texts(TEXTS)

    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, plain_text_rows(model, TEXTS), atol=1e-5)


def test_bf16_keeps_images_close_and_texts_exact(model: CLIP) -> None:
    pixels = pictures(model.architecture)
    runner = runner_of(model, "bf16")

    images, texts = runner.encode_images(pixels), runner.encode_texts(TEXTS)

    assert (images * plain_image_rows(model, pixels)).sum(axis=1).min() >= 0.999
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(texts, plain_text_rows(model, TEXTS), atol=1e-5)


def test_the_bundled_model_is_close_to_itself_in_bf16() -> None:
    source = open_model(builtin_model_folder())
    expected = read_expectations(source.path / FILE_NAME, source.config.fingerprint)
    runner = TorchRunner.load(source, "cpu", "bf16")

    rows = runner.encode_images(golden_pictures(source.config.preprocessing))

    assert expected is not None
    distances = np.linalg.norm(rows - expected.images, axis=1)
    assert distances.max() < allowed_deviation("bf16")  # 0.115 with the first stage in bf16


def test_a_loaded_folder_gives_the_models_rows(
    model: CLIP, write_folder: Callable[..., ModelFolder]
) -> None:
    folder = write_folder(model)
    pixels = pictures(model.architecture)

    runner = TorchRunner.load(folder, "cpu", "fp32")

    assert (runner.device, runner.precision) == ("cpu", "fp32")
    np.testing.assert_allclose(
        runner.encode_images(pixels), plain_image_rows(model, pixels), atol=1e-5
    )


def test_half_stored_weights_run_in_every_precision(
    model: CLIP, write_folder: Callable[..., ModelFolder]
) -> None:
    folder = write_folder(model, dtype=torch.float16)
    pixels = pictures(model.architecture)
    expected = plain_image_rows(model, pixels)

    for precision in ("fp32", "bf16"):
        rows = TorchRunner.load(folder, "cpu", precision).encode_images(pixels)

        assert (rows * expected).sum(axis=1).min() >= 0.999


def test_nothing_in_gives_no_rows(model: CLIP) -> None:
    runner = runner_of(model)

    assert runner.encode_images(pictures(model.architecture, 0)).shape == (0, 24)
    assert runner.encode_texts([]).shape == (0, 24)


def test_read_only_and_strided_pixels_are_taken(model: CLIP) -> None:
    pixels = pictures(model.architecture)
    flipped = pixels[:, :, ::-1]
    pixels.flags.writeable = False
    runner = runner_of(model)

    rows, flipped_rows = runner.encode_images(pixels), runner.encode_images(flipped)

    np.testing.assert_allclose(rows, plain_image_rows(model, pixels), atol=1e-5)
    np.testing.assert_allclose(flipped_rows, plain_image_rows(model, flipped), atol=1e-5)


def out_of_memory(kind: str) -> Exception:
    return {
        "linux": RuntimeError(
            "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 400000000000 bytes. Error code 12"
        ),
        "windows": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
        "mps": RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        "cuda": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        "python": MemoryError(),
    }[kind]


@pytest.mark.parametrize("kind", ["linux", "windows", "mps", "cuda", "python"])
def test_out_of_memory_halves_the_batch_and_goes_on(kind: str) -> None:
    sizes = []

    def encode(batch: list[int]) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise out_of_memory(kind)
        return np.array(batch, dtype=np.float32)[:, None]

    limit = BatchLimit(16)

    rows = np.concatenate(_encode_all(list(range(11)), limit, encode))

    assert rows[:, 0].tolist() == list(range(11))
    assert sizes == [11, 5, 2, 2, 2, 2, 2, 1]
    assert limit.size == 2  # remembered for the next call


def test_out_of_memory_with_a_single_picture_is_said() -> None:
    def encode(batch: list[int]) -> np.ndarray:
        raise out_of_memory("linux")

    with pytest.raises(DeviceError, match="out of memory"):
        _encode_all([1, 2, 3], BatchLimit(8), encode)


def test_other_faults_are_not_taken_for_a_lack_of_memory() -> None:
    def encode(batch: list[int]) -> np.ndarray:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        _encode_all([1, 2, 3], BatchLimit(8), encode)


def test_rows_that_are_not_numbers_are_refused(model: CLIP) -> None:
    with torch.no_grad():
        model.ln_final.weight.fill_(float("nan"))

    with pytest.raises(ModelError, match="no finite vectors") as caught:
        runner_of(model).encode_texts(TEXTS)

    assert caught.value.hint is not None
    assert "fp32" in caught.value.hint


@pytest.mark.parametrize(
    ("ids", "fact"), [([514, 516, 515], "more tokens"), ([514, *[5] * 20, 515], "longer than")]
)
def test_ids_that_the_network_has_no_place_for_are_refused(
    model: CLIP, ids: list[int], fact: str
) -> None:
    with pytest.raises(ModelError, match=fact):
        runner_of(model).encode_texts([ids])


def test_batches_are_smaller_for_larger_pictures() -> None:
    sizes = [image_batch_size(CPU, size) for size in (64, 224, 448, 10_000)]

    assert sizes == [64, 32, 8, 1]


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Let torch compute on so many threads during a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# On several threads other processors' products differ in their last bits, whatever we do.
@pytest.mark.parametrize("threads", [1], indirect=True)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_images_row_is_the_same_in_any_company(
    model: CLIP, precision: str, threads: int
) -> None:
    runner = runner_of(model, precision)
    pixels = pictures(model.architecture, 19)
    together = runner.encode_images(pixels)

    order = np.random.default_rng(1).permutation(19)
    alone = np.concatenate([runner.encode_images(pixels[i : i + 1]) for i in range(19)])
    shuffled = np.empty_like(together)
    for part in np.split(order, [3, 4, 11]):
        shuffled[part] = runner.encode_images(pixels[part])

    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(shuffled, together)


@pytest.mark.parametrize("threads", [2, 3], indirect=True)
@pytest.mark.parametrize(
    ("n", "heads", "length"),
    [(3, 12, 65), (8, 48, 145), (8, 64, 197)],
    ids=["ViT-B-32-256", "RN50x16", "RN50x64"],
)
def test_one_query_reads_the_same_wherever_its_picture_stands(
    n: int, heads: int, length: int, threads: int
) -> None:
    q, k, v = torch.randn(3, 1, heads, length, 64, generator=torch.Generator().manual_seed(0))
    q = q[:, :, :1]
    many = (one.expand(n, -1, -1, -1).contiguous() for one in (q, k, v))

    found = attend(*many)

    weights = ((q.double() @ k.double().transpose(2, 3)) / 8).softmax(-1)  # the root of 64 is 8
    torch.testing.assert_close(found[:1].double(), weights @ v.double(), rtol=0, atol=1e-5)
    assert torch.equal(found, found[:1].expand_as(found))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_tower_lets_fewer_queries_read_than_fill_a_vector(
    model: CLIP, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attention, lengths = F.scaled_dot_product_attention, []

    def seen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **more: bool) -> torch.Tensor:
        lengths.append((q.shape[2], k.shape[2]))
        return attention(q, k, v, **more)

    monkeypatch.setattr(F, "scaled_dot_product_attention", seen)

    runner_of(model, precision).encode_images(pictures(model.architecture, 1))

    has_attention = not isinstance(model.architecture.image, EfficientNetLite)
    assert bool(lengths) == has_attention
    assert all(n_queries == n_keys or n_queries % 16 == 0 for n_queries, n_keys in lengths)


def test_blocks_are_as_large_as_weights_are_worth_reading_for() -> None:
    shapes: list[tuple[int, int | None]] = [(224, 32), (224, 16), (224, 14), (32, 8), (224, None)]

    sizes = [block_size(CPU, *shape) for shape in shapes]

    assert sizes == [4, 1, 1, 8, 8]


def test_a_texts_row_is_the_same_whichever_texts_it_is_encoded_with(model: CLIP) -> None:
    runner = runner_of(model)

    alone = np.concatenate([runner.encode_texts([text]) for text in TEXTS])

    np.testing.assert_array_equal(alone, runner.encode_texts(TEXTS * 20)[: len(TEXTS)])


def test_a_gpu_reads_pixels_from_locked_memory_while_the_processor_goes_on(model: CLIP) -> None:
    done: list[object] = []

    class Pixels:
        def pin_memory(self) -> Pixels:
            done.append("locked")
            return self

        def to(self, *place: object, **how: object) -> Pixels:
            done.append((place, how))
            return self

    runner = runner_of(model)
    runner.device = "cuda:1"

    runner._on_device(Pixels())  # type: ignore[arg-type]

    assert done == ["locked", (("cuda:1",), {"non_blocking": True})]
