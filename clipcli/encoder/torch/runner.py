"""Running the network on a device: pixels and token ids in, unit rows out.

Images run in the chosen precision; texts in fp32, because each decides about all images. Rows are
brought to unit length in fp32 either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clipcli.encoder.numpy_text.tower import check_ids
from clipcli.encoder.torch.clip import CLIP
from clipcli.encoder.torch.device import PRECISIONS, resolve_device, resolve_precision
from clipcli.encoder.torch.efficientnet import EfficientNetTower
from clipcli.encoder.torch.fold import PIXEL_UNIT, fold_batch_norms, fold_normalisation
from clipcli.encoder.torch.load import load_model
from clipcli.encoder.torch.packed import pack_blocks
from clipcli.encoder.torch.resnet import ResNetTower
from clipcli.encoder.torch.siglip import Siglip, SiglipVisionTower
from clipcli.encoder.torch.vision import VisionTower
from clipcli.errors import DeviceError, ModelError
from clipcli.models.config import Preprocessing
from clipcli.models.fingerprint import ModelFolder
from clipcli.models.source import ModelSource

Item = TypeVar("Item")
Rows = NDArray[np.float32]

BATCH_PIXELS = {"cpu": 32 * 224**2, "mps": 64 * 224**2, "cuda": 256 * 224**2}
MAX_BATCH = {"cpu": 64, "mps": 256, "cuda": 1024}  # images; more gains nothing and takes memory
# Subtle: matrix products sum in another order for other shapes, which changes the last bits. So the
# network always sees so many images at once, one of them repeated where there are fewer, and an
# image's row is the same in any company: cold, warm and half-warm runs print the same (to the last
# bit on one thread; on more as far as the processor's products allow). These are
# patches: weights are read once for all, which gains nothing for more. A lone image waits for them.
BLOCK_PATCHES = {"cpu": 200, "mps": 1600, "cuda": 6400}
MAX_BLOCK = {"cpu": 8, "mps": 64, "cuda": 256}  # images, for networks that are no transformers
TEXT_BATCH = {"cpu": 64, "mps": 256, "cuda": 1024}  # prompts
# Texts of one length are encoded together, in numbers that are multiples of this, so that a label's
# row is the same whichever labels it is encoded with.
TEXT_STEP = 8
# Linux, Windows, MPS: torch has an error class of its own only on CUDA.
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class TorchRunner:
    """A model on its device. Not for two threads at once."""

    engine = "torch"
    note = ""  # there is nothing to tell: other engines are measured by this one

    def __init__(
        self,
        model: CLIP | Siglip,
        preprocessing: Preprocessing,
        device: torch.device,
        precision: str,
    ) -> None:
        """Take ``model`` over: its towers are taken apart and changed for inference."""
        self.device = str(device)
        self.precision = precision
        self._architecture = model.architecture
        self._dtype = PRECISIONS[precision]
        patch_px: int | None = getattr(model.architecture.image, "patch_size", None)
        self._block = BatchLimit(block_size(device, preprocessing.size, patch_px))
        self._wanted = image_batch_size(device, preprocessing.size)
        self._text_batch = BatchLimit(TEXT_BATCH.get(device.type, TEXT_BATCH["cpu"]))
        # The towers have different types, and moving one must not touch the other.
        self._image_tower = model.visual
        del model.visual
        self._pixel_scale = prepare_tower(self._image_tower, preprocessing)
        if precision == "bf16" and isinstance(self._image_tower, EfficientNetTower):
            self._image_tower.convert_after_first_stage(self._dtype)
            self._image_tower.eval().to(device)
        else:
            self._image_tower.eval().to(device, self._dtype)
        if device.type == "cpu" and precision == "bf16":
            pack_blocks(self._image_tower)
        self._pixel_dtype = next(self._image_tower.parameters()).dtype
        self._text_tower = model.eval()  # seldom needed (see numpytext), so converted when it is

    @classmethod
    def load(
        cls, source: ModelFolder | ModelSource, device: str = "auto", precision: str = "auto"
    ) -> TorchRunner:
        """Load a model onto a device.

        Raises
        ------
        DeviceError
            If the device is not there or does not compute in that precision.
        ModelError
            If the weights do not fit the architecture exactly.
        """
        place = resolve_device(device)
        precision = resolve_precision(precision, place)
        model = load_model(source, dtype=None)
        return cls(model, source.config.preprocessing, place, precision)

    @property
    def batch_size(self) -> int:
        """How many images are worth handing over at once: full blocks."""
        return max(1, round(self._wanted / self._block.size)) * self._block.size

    def encode_images(self, pixels: NDArray[np.uint8]) -> Rows:
        """Encode pictures (n, s, s, 3), 0 to 255, into unit rows (n, d)."""
        rows = _encode_all(pixels, self._block, self._encode_block)
        return self._stack(rows)

    def encode_texts(self, texts: Sequence[Sequence[int]]) -> Rows:
        """Encode p lists of token ids, start and end included, into unit rows (p, d).

        Texts of one length are encoded together, so that no padding is computed: attention is
        causal in CLIP, and the embedding is read at the end (SigLIP's come filled up).
        """
        check_ids(texts, self._architecture)
        self._text_tower.to(self.device, torch.float32)
        restored = np.empty((len(texts), self._architecture.embed_dim), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        for i, ids in enumerate(texts):
            by_length.setdefault(len(ids), []).append(i)
        for alike in by_length.values():
            rows = _encode_all([texts[i] for i in alike], self._text_batch, self._encode_text_batch)
            restored[alike] = self._stack(rows)
        return restored

    def _encode_block(self, pixels: NDArray[np.uint8]) -> Rows:
        """Encode at most a block of pictures, filled up to a whole one."""
        n_more = self._block.size - len(pixels)
        filled = np.concatenate([pixels, *[pixels[:1]] * n_more]) if n_more else pixels
        return self._encode_image_batch(filled)[: len(pixels)]

    @torch.inference_mode()
    def _encode_image_batch(self, pixels: NDArray[np.uint8]) -> Rows:
        x = self._on_device(torch.from_numpy(np.require(pixels, np.uint8, ["C", "W"])))
        # Memory keeps its order, so for torch these are channels last, its faster way on a CPU.
        x = x.permute(0, 3, 1, 2)  # (n, s, s, 3) -> (n, 3, s, s)
        if self._pixel_scale is None:
            x = x.to(self._pixel_dtype).div_(PIXEL_UNIT)
        else:
            mean, std = (each.to(x.device) for each in self._pixel_scale)
            x = ((x - mean) / std).to(self._pixel_dtype)
        return self._unit_rows(self._image_tower(x))

    def _on_device(self, pixels: Tensor) -> Tensor:
        """Bring pixels to where the network is; from locked memory, which a GPU reads itself."""
        if self.device.startswith("cuda"):
            return pixels.pin_memory().to(self.device, non_blocking=True)  # (n, s, s, 3)
        return pixels.to(self.device)

    @torch.inference_mode()
    def _encode_text_batch(self, texts: Sequence[Sequence[int]]) -> Rows:
        filled = [*texts, *[texts[0]] * (-len(texts) % TEXT_STEP)]
        tokens = torch.tensor(filled).to(self.device)  # (p, l), p a multiple of the step
        return self._unit_rows(self._text_tower.encode_text(tokens)[: len(texts)])

    def _unit_rows(self, embeddings: Tensor) -> Rows:
        rows: Rows = F.normalize(embeddings.float(), dim=1).cpu().numpy()  # (n, d)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"the model computes no finite vectors in {self.precision} on {self.device}",
                hint="use --precision fp32, or check the weights",
            )
        return rows

    def _stack(self, rows: list[Rows]) -> Rows:
        return np.concatenate([np.empty((0, self._architecture.embed_dim), np.float32), *rows])


class BatchLimit:
    """How many items go through the network at once: fewer after memory ran out."""

    def __init__(self, size: int) -> None:
        self.size = size

    def shrink(self, failed: int) -> None:
        """Halve after ``failed`` items at once were too many."""
        if failed == 1:
            raise DeviceError("out of memory with a batch of one", hint="use --device cpu")
        self.size = failed // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _encode_all(
    items: Sequence[Item] | NDArray[np.uint8], limit: BatchLimit, encode: Callable[..., Rows]
) -> list[Rows]:
    done: list[Rows] = []
    start = 0
    while start < len(items):
        batch = items[start : start + limit.size]
        rows = _unless_out_of_memory(encode, batch)
        if rows is None:
            limit.shrink(len(batch))
            continue
        done.append(rows)
        start += len(batch)
    return done


def _unless_out_of_memory(encode: Callable[..., Rows], batch: object) -> Rows | None:
    # The error is let go here: while it lives, its traceback keeps the batch's tensors alive.
    try:
        return encode(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a lack of memory from other faults."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in OUT_OF_MEMORY)


def prepare_tower(
    tower: VisionTower | ResNetTower | EfficientNetTower | SiglipVisionTower,
    preprocessing: Preprocessing,
) -> tuple[Tensor, Tensor] | None:
    """Fold what can be folded; return pixels' mean and std (3, 1, 1) if they are still to apply."""
    if not isinstance(tower, ResNetTower | EfficientNetTower):
        fold_normalisation(tower, preprocessing.mean, preprocessing.std)
        return None
    fold_batch_norms(tower)
    return pixel_scale(preprocessing)


def pixel_scale(preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Return the mean and std of pixels from 0 to 255, (3, 1, 1) each."""
    mean = 255 * torch.tensor(preprocessing.mean)
    std = 255 * torch.tensor(preprocessing.std)
    return mean.view(3, 1, 1), std.view(3, 1, 1)


def image_batch_size(device: torch.device, size: int) -> int:
    """Return how many images of ``size`` pixels a side are worth collecting for a device."""
    pixels = BATCH_PIXELS.get(device.type, BATCH_PIXELS["cpu"])
    return max(1, min(MAX_BATCH.get(device.type, MAX_BATCH["cpu"]), pixels // size**2))


def block_size(device: torch.device, size: int, patch_px: int | None) -> int:
    """Return how many images go through the network at once; ``patch_px`` of a transformer."""
    kind = device.type if device.type in MAX_BLOCK else "cpu"
    if patch_px is None:
        return MAX_BLOCK[kind]
    return max(1, min(MAX_BLOCK[kind], BLOCK_PATCHES[kind] // (size // patch_px) ** 2))
