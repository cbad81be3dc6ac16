"""This file knows about the golden checkpoints that OpenCLIP saved, and what it computed with them.

https://github.com/mlfoundations/open_clip is not among the development dependencies (it wants
torchvision), so this is run by hand where it is installed: ``python make_openclip_files.py``. It
writes ``openclip/NAME/``: a small model with random weights as OpenCLIP saves it, and
``expected.json`` with embeddings, logits and probabilities of its inputs.

Last run with open_clip 3.3.0 and torch 2.13.0.
"""

import json
from pathlib import Path

import torch

HERE = Path(__file__).parent
MERGES = [("c", "a"), ("ca", "t</w>")]  # 512 + 2 + 2 tokens
PROMPTS = ["a cat", "two dogs!", "cat"]
TEXT = {"context_length": 16, "vocab_size": 516, "width": 32, "heads": 2, "layers": 1}
IMAGE = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 48, "head_width": 16}
RESNET = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 4}
# Without a configuration, heads are as wide as in every published model of such a width.
BARE_TEXT = TEXT | {"width": 64, "heads": 1, "mlp_ratio": 1.0}
PREPROCESS = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}
MODELS = {
    "vit-quick-gelu": {"quick_gelu": True, "vision_cfg": IMAGE},
    "vit-gelu": {"vision_cfg": IMAGE},
    "vit-custom-text": {"vision_cfg": IMAGE, "custom_text": True, "init_logit_bias": -10},
    "resnet": {"quick_gelu": True, "vision_cfg": RESNET},
    "bare": {"quick_gelu": True, "vision_cfg": RESNET | {"width": 2}, "text_cfg": BARE_TEXT},
}


def tokens() -> torch.Tensor:
    """Return the ids of :data:`PROMPTS`, worked out by hand (p, 16): start, bytes, end, zeros."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    ids = {chr(byte): i for i, byte in enumerate(visible)}
    cat, start, end = 513, 514, 515
    one = [ids["a"] + 256, cat]
    two = [*(ids[c] for c in "tw"), ids["o"] + 256, *(ids[c] for c in "dog"), ids["s"] + 256]
    rows = [one, [*two, ids["!"] + 256], [cat]]
    padded = [[start, *row, end, *[0] * (14 - len(row))] for row in rows]
    return torch.tensor(padded)


def pixels(size: int) -> torch.Tensor:
    """Return two pictures (2, size, size, 3) uint8 of smooth waves."""
    grid = torch.arange(2 * size * size * 3).reshape(2, size, size, 3)
    return (127.5 + 120 * torch.sin(grid * 0.37 + grid**1.5 * 1e-4)).to(torch.uint8)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Return (n, s, s, 3) uint8 as the network's input (n, 3, s, s)."""
    x = images.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(PREPROCESS[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (x - mean) / std


def build(config: dict) -> torch.nn.Module:
    """Build OpenCLIP's model; every weight moved, so that none is idle, and rounded to fp16."""
    import open_clip

    config = dict(config)
    kind = open_clip.model.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    model = kind(**config).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim:
                tensor.add_(0.05 * torch.randn_like(tensor).abs())
                tensor.copy_(tensor.half().float())
            elif name == "logit_scale":
                tensor.fill_(2.0)
    return model


def save(name: str, model: torch.nn.Module, config: dict, folder: Path) -> None:
    """Save as OpenCLIP does: for the hub, or as its training leaves it."""
    from safetensors.torch import save_file

    state = {key: value.half() for key, value in model.state_dict().items()}
    state = {key: value.contiguous() for key, value in state.items()}
    if name == "bare":  # a training checkpoint of two processes
        state = {f"module.{key}": value for key, value in state.items()}
        whole = {"epoch": 1, "name": "run", "state_dict": state, "optimizer": {"state": {}}}
        torch.save(whole, folder / "epoch_1.pt")
        return
    told = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(told, indent=4), encoding="utf-8")
    if name in ("vit-gelu", "resnet"):
        torch.save(state, folder / "open_clip_pytorch_model.bin")
    else:
        save_file(state, folder / "open_clip_model.safetensors")


@torch.no_grad()
def main() -> None:
    """Write all golden folders."""
    for seed, (name, changes) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        config = {"embed_dim": 24, "text_cfg": TEXT, **changes}
        model = build(config)
        folder = HERE / "openclip" / name
        folder.mkdir(parents=True, exist_ok=True)
        save(name, model, config, folder)
        size = changes["vision_cfg"]["image_size"]
        images = model.encode_image(normalised(pixels(size)), normalize=True)  # (2, 24)
        texts = model.encode_text(tokens(), normalize=True)  # (3, 24)
        logits = model.logit_scale.exp() * images @ texts.T  # (2, 3)
        bias = getattr(model, "logit_bias", None)
        logits = logits if bias is None else logits + bias
        chances = logits.softmax(dim=1) if bias is None else logits.sigmoid()
        tables = {"images": images, "texts": texts, "logits": logits, "probabilities": chances}
        told = {key: value.tolist() for key, value in tables.items()}
        (folder / "expected.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
