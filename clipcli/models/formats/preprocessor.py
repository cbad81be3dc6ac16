"""What other libraries say about preprocessing.

All of it must be one of the things that :class:`~clipcli.models.config.Preprocessing` can say;
anything else is refused, because a model that sees other pictures loses accuracy without a sign.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clipcli.errors import ModelError
from clipcli.models.config import Preprocessing
from clipcli.models.formats.json_reader import JsonObject, read_object
from clipcli.strict_json import short

PREPROCESSOR_NAMES = ("preprocessor_config.json", "processor_config.json")
AS_RELEASED = "clip"  # as OpenAI released it; what most CLIP models after it use
INTERPOLATIONS: dict[int, Literal["bicubic", "bilinear"]] = {2: "bilinear", 3: "bicubic"}
SCALE_TOLERANCE = 1e-6
UNLIKE_OURS = "clipcli has no such preprocessing"
STEPS = ("do_resize", "do_rescale", "do_normalize")
RESIZE_MODES: tuple[Literal["shortest", "squash", "longest"], ...] = (
    "shortest",
    "squash",
    "longest",
)


def find_preprocessor(folder: Path) -> Path | None:
    """Return the file of a folder that says how pictures are prepared."""
    return next((folder / n for n in PREPROCESSOR_NAMES if (folder / n).is_file()), None)


def read_preprocessor(path: Path) -> Preprocessing:
    """Read Hugging Face's ``preprocessor_config.json`` or ``processor_config.json``."""
    data = read_object(path)
    if "image_processor" in data.values:
        data = data.section("image_processor")
    for step in STEPS:
        data.must_be(step, True, UNLIKE_OURS)
    data.must_be("do_pad", expected=False, why=UNLIKE_OURS)
    factor = data.number("rescale_factor", 1 / 255)
    if abs(factor * 255 - 1) > SCALE_TOLERANCE:
        raise data.wrong("rescale_factor", "1/255")
    resample = data.whole("resample", _usual_resample(data))
    if resample not in INTERPOLATIONS:
        raise data.wrong("resample", "2 (bilinear) or 3 (bicubic)")
    size, mode = _read_size(data)
    return Preprocessing(
        size=size,
        resize_mode=mode,
        interpolation=INTERPOLATIONS[resample],
        crop_rounding="floor",
        mean=data.triple("image_mean"),
        std=_positive(data, "image_std"),
    )


def read_openclip_preprocess(data: JsonObject, image_size: int) -> Preprocessing:
    """Read the ``preprocess_cfg`` of an ``open_clip_config.json``."""
    data.knows_only(
        ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"), UNLIKE_OURS
    )
    data.must_be("mode", "RGB", UNLIKE_OURS)
    interpolation = data.text("interpolation", "bicubic")
    if interpolation not in INTERPOLATIONS.values():
        raise data.wrong("interpolation", "bicubic or bilinear")
    mode = data.text("resize_mode", "shortest")
    if mode not in RESIZE_MODES:
        raise data.wrong("resize_mode", " or ".join(RESIZE_MODES))
    if mode == "longest":
        data.must_be("fill_color", 0, UNLIKE_OURS)
    size = data.values.get("size", image_size)
    if size not in (image_size, [image_size, image_size]):
        raise data.wrong("size", f"{image_size}, as the image tower's")
    return Preprocessing(
        size=image_size,
        resize_mode=mode,
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        mean=data.triple("mean"),
        std=_positive(data, "std"),
    )


def given_preprocessing(given: str, image_size: int) -> Preprocessing:
    """Read what the user says: ``clip``, or a ``preprocessor_config.json``."""
    if given == AS_RELEASED:
        return Preprocessing(image_size)
    path = Path(given).expanduser()
    if not path.is_file():
        raise ModelError(
            f"preprocessing {given!r} is neither {AS_RELEASED!r} nor a file",
            hint=f"give {AS_RELEASED!r} (as OpenAI released it) or a {PREPROCESSOR_NAMES[0]}",
        )
    return read_preprocessor(path)


def check_size(preprocessing: Preprocessing, image_size: int, source: object) -> None:
    """Refuse preprocessing for pictures of another size than the image tower's."""
    if preprocessing.size != image_size:
        raise ModelError(
            f"{source}: the preprocessing makes pictures of {preprocessing.size} pixels, "
            f"the image tower takes {image_size}"
        )


def _usual_resample(data: JsonObject) -> int | None:
    """Return what the classes of CLIP and SigLIP take if the file does not say."""
    kinds = (data.values.get("image_processor_type"), data.values.get("feature_extractor_type"))
    return 3 if any(short(kind)[1:].startswith(("CLIP", "Siglip")) for kind in kinds) else None


def _read_size(data: JsonObject) -> tuple[int, Literal["shortest", "squash"]]:
    size, crop = data.values.get("size"), data.values.get("crop_size")
    is_cropped = data.flag("do_center_crop", crop is not None)
    crop = _square(crop) if is_cropped else None
    edge = size if isinstance(size, int) else None
    if isinstance(size, dict) and set(size) == {"shortest_edge"}:
        edge = size["shortest_edge"]
    if isinstance(edge, int) and not isinstance(edge, bool) and edge > 0:
        if crop != edge:
            raise data.wrong("crop_size", f"{edge}, as the size")
        return edge, "shortest"
    square = _square(size) if isinstance(size, dict) else None
    if square is None:
        raise data.wrong("size", "a shortest edge, or as high as wide")
    if is_cropped and crop != square:
        raise data.wrong("crop_size", f"{square}, as the size")
    return square, "squash"


def _square(size: object) -> int | None:
    if isinstance(size, dict) and set(size) == {"height", "width"}:
        size = size["height"] if size["height"] == size["width"] else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def _positive(data: JsonObject, key: str) -> tuple[float, float, float]:
    values = data.triple(key)
    if min(values) <= 0:
        raise data.wrong(key, "numbers above zero")
    return values
