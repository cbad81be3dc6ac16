"""OpenAI's layout: archives, bare state dicts, and OpenCLIP's folders.

The tensors have our names already. A file alone tells the shapes, but neither the activation nor
the preprocessing, and of the heads of an attention only what models of that width have.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clipcli.errors import ModelError
from clipcli.models.config import (
    Activation,
    Architecture,
    ModifiedResNet,
    TextTransformer,
    VisionTransformer,
)
from clipcli.models.formats.json_reader import JsonObject
from clipcli.models.formats.openai import HEAD_WIDTH, RESNET_STRIDE, architecture_from_shapes
from clipcli.models.formats.tensor_map import StoredTensor, WeightsFile

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
TEXT_PREFIX = "text."  # of a text tower that stands beside the image tower, not at the root
TIMM_PREFIX = "visual.trunk."
# OpenCLIP's image towers: width -> channels of a head. It leaves no trace in the weights.
HEAD_WIDTHS = {
    256: 64,
    384: 64,
    512: 64,
    768: 64,
    896: 64,
    1024: 64,
    1280: 80,
    1408: 88,
    1664: 104,
    1792: 112,
}
MLP_RATIO = 4.0
UNLIKE_OURS = "clipcli reads OpenCLIP's plain towers only"
IMAGE_KEYS = ("image_size", "layers", "width", "head_width", "mlp_ratio", "patch_size")
TEXT_KEYS = ("context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio")
# What changes nothing in our towers: a habit of training, and a tokenizer that comes as a file.
INERT = ("patch_dropout", "hf_tokenizer_name", "tokenizer_kwargs")
USUAL_POOLS = {"vision_cfg": "tok", "text_cfg": "argmax"}


def is_openai_layout(file: WeightsFile) -> bool:
    """Tell whether a file has OpenAI's names: an image tower at ``visual``."""
    return any(name.startswith("visual.") for name in file.table)


def in_our_names(file: WeightsFile) -> WeightsFile:
    """Bring a text tower that stands beside the image tower to the root; refuse timm's towers."""
    if any(name.startswith(TIMM_PREFIX) for name in file.table):
        raise ModelError(
            f"{file.path}: its image tower is one of timm's ({TIMM_PREFIX}…), which is not read",
            hint="SigLIP models are read in the layout of their Hugging Face repositories",
        )
    if "token_embedding.weight" in file.table:
        return file
    table: dict[str, StoredTensor] = {
        name.removeprefix(TEXT_PREFIX): stored for name, stored in file.table.items()
    }
    return file._replace(table=table)


def infer_architecture(file: WeightsFile, activation: Activation) -> Architecture:
    """Infer what a bare file's shapes say; its width must be one whose heads are known."""
    try:
        architecture = architecture_from_shapes(file.shapes, activation)
    except (ModelError, ValueError, IndexError) as error:
        fact = error.message if isinstance(error, ModelError) else "its tensors' shapes are odd"
        raise ModelError(f"{file.path}: {fact}") from error
    image, text = architecture.image, architecture.text
    if text.width % HEAD_WIDTH:
        raise _unknown_heads(file, "text", text.width)
    if not isinstance(image, VisionTransformer):
        return architecture
    if image.width not in HEAD_WIDTHS:
        raise _unknown_heads(file, "image", image.width)
    heads = image.width // HEAD_WIDTHS[image.width]
    return replace(architecture, image=replace(image, heads=heads))


def script_activation(file: WeightsFile) -> Activation | None:
    """Return the activation that a TorchScript archive's modules are named after."""
    names = {kind.rpartition(".")[2] for kind in file.module_kinds or ()}
    if "QuickGELU" in names:
        return "quick_gelu"
    return "gelu" if "GELU" in names else None


def name_activation(path: Path) -> Activation | None:
    """Return what a file's name says: OpenCLIP marks its models, and those after it do."""
    name = path.name.lower().replace("-", "").replace("_", "")
    return "quick_gelu" if "quickgelu" in name else None


def read_openclip(data: JsonObject, file: WeightsFile) -> Architecture:
    """Return the architecture that an ``open_clip_config.json`` says."""
    model = data.section("model_cfg")
    model.knows_only(
        (
            "embed_dim",
            "quick_gelu",
            "vision_cfg",
            "text_cfg",
            "custom_text",
            "init_logit_scale",
            "init_logit_bias",
        ),
        UNLIKE_OURS,
    )
    image, text = _tower(model, "vision_cfg", IMAGE_KEYS), _tower(model, "text_cfg", TEXT_KEYS)
    return Architecture(
        embed_dim=model.whole("embed_dim"),
        image=_image(image),
        text=_text(text),
        # Subtle: here absence speaks. Weights trained with the quick form say so in this file.
        activation="quick_gelu" if model.flag("quick_gelu", default=False) else "gelu",
        logit_bias="logit_bias" in file.table,
    )


def _tower(model: JsonObject, key: str, keys: tuple[str, ...]) -> JsonObject:
    data = model.section(key)
    for name in ("timm_model_name", "hf_model_name"):
        if library := data.values.get(name):
            raise ModelError(
                f"{data.path}: {key} is {library!r} of another library ({name}), which is not read"
            )
    data.must_be("pool_type", USUAL_POOLS[key], UNLIKE_OURS)
    data.knows_only((*keys, *INERT, "pool_type"), UNLIKE_OURS)
    return data


def _image(data: JsonObject) -> VisionTransformer | ModifiedResNet:
    size, layers = data.whole("image_size", 224), data.values.get("layers", 12)
    width, head_width = data.whole("width", 768), data.whole("head_width", HEAD_WIDTH)
    if isinstance(layers, list):
        if len(layers) != 4 or not all(isinstance(n, int) and n > 0 for n in layers):
            raise data.wrong("layers", "one number, or four")
        first, second, third, fourth = layers
        heads = width * RESNET_STRIDE // head_width
        return ModifiedResNet(size, width, (first, second, third, fourth), heads)
    return VisionTransformer(
        image_size=size,
        patch_size=data.whole("patch_size", 16),
        width=width,
        layers=data.layers("layers", 12),
        heads=_whole_part(data, "head_width", width, head_width),
        mlp_width=int(width * data.number("mlp_ratio", MLP_RATIO)),
    )


def _text(data: JsonObject) -> TextTransformer:
    width, heads = data.whole("width", 512), data.whole("heads", 8)
    _whole_part(data, "heads", width, heads)
    return TextTransformer(
        context_length=data.whole("context_length", 77),
        vocab_size=data.whole("vocab_size", 49_408),
        width=width,
        layers=data.layers("layers", 12),
        heads=heads,
        mlp_width=int(width * data.number("mlp_ratio", MLP_RATIO)),
    )


def _whole_part(data: JsonObject, key: str, width: int, divisor: int) -> int:
    if width % divisor:
        raise data.wrong(key, f"a divisor of {width}")
    return width // divisor


def _unknown_heads(file: WeightsFile, tower: str, width: int) -> ModelError:
    return ModelError(
        f"{file.path}: the weights do not say how many heads an {tower} tower of width {width} has",
        hint=f"put the model's {CONFIG_NAME} beside the file and name their folder",
    )
