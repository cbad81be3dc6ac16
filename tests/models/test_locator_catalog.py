"""Models that locate in the catalogue, and pulling them from a hub on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from clipcli.cli.app import run
from clipcli.encoder.torch.locators.glip import Glip
from clipcli.encoder.torch.locators.grounding import GroundingDino
from clipcli.encoder.torch.locators.owl import OwlDetector
from clipcli.errors import ModelError
from clipcli.models.catalog.catalog import find_entry
from clipcli.models.catalog.locators import (
    LocatorEntry,
    find_locator_entry,
    locator_catalog,
)
from clipcli.models.config import Architecture, TextTransformer, VisionTransformer
from clipcli.models.formats.json_reader import JsonObject
from clipcli.models.hub.pull_locator import pull_locator
from clipcli.models.locators.glip import GlipArchitecture
from clipcli.models.locators.grounding import read_grounding
from clipcli.models.locators.owl import OwlArchitecture
from clipcli.models.locators.source import find_locator
from clipcli.models.store import find_installed
from tests.encoder.torch.locators.glip_weights import architecture, released, weights
from tests.encoder.torch.locators.grounding_toys import build as build_grounding
from tests.encoder.torch.locators.grounding_toys import write as write_grounding
from tests.encoder.torch.locators.test_glip_runner import WORDS
from tests.encoder.torch.locators.test_owl import build, write
from tests.hubserver import Hub
from tests.models import test_hub

server = test_hub.server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Return a hub's files: a small OWL-ViT's folder, and a small GLIP with what it lacks."""
    write(build("owlvit"), tmp_path / "owl")
    found = {path.name: path.read_bytes() for path in (tmp_path / "owl").iterdir()}
    torch.save(released(weights(architecture(is_fused=True))), tmp_path / "glip.pth")
    found["glip_small.pth"] = (tmp_path / "glip.pth").read_bytes()
    return found | {"vocab.txt": "\n".join(WORDS).encode() + b"\n", "README.md": b"# Small\n"}


@pytest.fixture
def hub(server: Hub) -> Hub:
    server.others = {"own/glip": {"glip_small.pth", "README.md"}, "own/bert": {"vocab.txt"}}
    return server


def entry(kind: str) -> LocatorEntry:
    """Return the catalogue's row of the small model of a kind."""
    (known,) = [
        one
        for one in locator_catalog()
        if one.name in ("owlvit-base-patch32", "glip-t") and one.kind == kind
    ]
    if kind == "glip":
        n = sum(t.numel() for t in weights(architecture(is_fused=True)).values())
        own = {"repository": "own/glip", "vocabulary_repository": "own/bert"}
        return replace(known, weights="glip_small.pth", n_parameters=n, **own)
    n = sum(p.numel() for p in build("owlvit").parameters())
    return replace(known, repository="someone/tiny-clip", n_parameters=n)


def test_owl_vit_is_pulled_and_locates_by_its_name(hub: Hub, tmp_path: Path) -> None:
    pull_locator(entry("owlvit"))
    Image.new("RGB", (60, 40), "red").save(tmp_path / "red.png")
    out = tmp_path / "x.jsonl"

    asked = ("--labels", "cat, dog", "--min-score", "0", "--model", "owlvit-base-patch32")
    code = run(["locate", str(tmp_path / "red.png"), *asked, "-o", str(out)])

    record = json.loads(out.read_text(encoding="utf-8"))
    got = {one.path.rpartition("/")[2] for one in hub.of("GET", "/resolve/")}
    assert code == 0
    assert record["method"] == "model"
    assert record["boxes"]
    assert "README.md" not in got
    assert got == {"config.json", "preprocessor_config.json", "merges.txt", "model.safetensors"}


def test_glip_gets_its_vocabulary_from_another_repository(hub: Hub) -> None:
    model = pull_locator(entry("glip"))

    source = find_locator("GLIP-T")
    got = [one.path for one in hub.of("GET", "/resolve/")]
    assert source is not None
    assert (source.kind, source.name) == ("glip", "glip-t")
    assert source.tokenizer_path.name == "vocab.txt"
    assert source.fingerprint == model.pointer().fingerprint
    assert any(path.startswith("/own/bert/") for path in got)
    assert any(path.startswith("/own/glip/") for path in got)


def test_llmdet_is_pulled_with_its_vocabulary_and_locates(server: Hub, tmp_path: Path) -> None:
    write_grounding(build_grounding("tiny"), tmp_path / "llmdet")
    server.files.clear()
    server.files |= {p.name: p.read_bytes() for p in (tmp_path / "llmdet").iterdir()}
    weights = load_file(tmp_path / "llmdet" / "model.safetensors")
    n = sum(array.size for name, array in weights.items() if "swin.layernorm" not in name)
    known = find_locator_entry("iSEE-Laboratory/llmdet_tiny")
    assert known is not None
    pull_locator(replace(known, repository="someone/tiny-clip", n_parameters=n))
    Image.new("RGB", (60, 40), "red").save(tmp_path / "red.png")
    out = tmp_path / "x.jsonl"

    asked = ("--labels", "cat, dog", "--min-score", "0", "--model", "llmdet-tiny")
    code = run(["locate", str(tmp_path / "red.png"), *asked, "-o", str(out)])

    record = json.loads(out.read_text(encoding="utf-8"))
    got = {one.path.rpartition("/")[2] for one in server.of("GET", "/resolve/")}
    assert code == 0
    assert record["method"] == "model"
    assert record["boxes"]
    assert got == {"config.json", "preprocessor_config.json", "vocab.txt", "model.safetensors"}


def test_what_is_pulled_is_listed_shown_and_verified(
    hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    pull_locator(entry("glip"))
    capfd.readouterr()

    assert run(["models", "list", "--json"]) == 0
    (line,) = [m for m in json.loads(capfd.readouterr().out) if m["name"] == "glip-t"]
    assert run(["models", "show", "glip-t", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert run(["models", "verify", "glip-t"]) == 0
    verified = capfd.readouterr().out

    assert (line["state"], line["box_ap"]) == ("installed", "LVIS 17.6, COCO 46.6")
    assert (shown["state"], shown["kind"]) == ("installed", "glip")
    assert shown["files"][0]["name"] == "glip_small.pth"
    assert verified == "glip-t: ok\n"


def test_a_model_that_locates_does_not_classify(
    hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pull_locator(entry("glip"))
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")

    code = run(["classify", str(tmp_path / "a.png"), "-l", "cat, dog", "--model", "glip-t"])

    assert code == 4
    assert "clipcli locate --model glip-t" in capfd.readouterr().err


def test_a_model_of_another_size_is_not_installed(hub: Hub) -> None:
    with pytest.raises(ModelError, match="its number of parameters is not the one"):
        pull_locator(replace(entry("glip"), n_parameters=7))

    assert find_installed("glip-t") is None


def test_one_that_is_not_installed_says_how_to_get_it(
    hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")

    code = run(["locate", str(tmp_path / "a.png"), "-l", "cat, dog", "--model", "GLIP-T(A)"])

    assert code == 4
    assert "clipcli models pull glip-t-a" in capfd.readouterr().err


def test_every_row_is_whole_and_has_a_source() -> None:
    for one in locator_catalog():
        assert one.source.startswith("https://"), one.name
        assert one.protocol, one.name
        assert one.lvis_split in (("val", "minival") if one.lvis_ap else ("",))
        assert all(10 < ap < 60 for ap in (one.lvis_ap, one.coco_ap) if ap is not None)
        assert one.lvis_ap or one.coco_ap or one.protocol.startswith("no figure: ")
        assert (one.kind == "glip") == bool(one.weights)
        for name in (one.name, *one.aliases):
            assert find_locator_entry(name) is one
            assert find_entry(name) is None  # no name means two models


@pytest.mark.parametrize("one", locator_catalog(), ids=lambda one: one.name)
def test_parameters_are_those_of_the_network(one: LocatorEntry) -> None:
    with torch.device("meta"):
        network = _network(one)

    assert sum(t.numel() for t in network.state_dict().values()) == one.n_parameters


def _network(one: LocatorEntry) -> torch.nn.Module:
    if one.kind == "glip":
        large = one.name == "glip-l"
        return Glip(
            GlipArchitecture(
                width=192 if large else 96,
                depths=(2, 2, 18 if large else 6, 2),
                heads=(6, 12, 24, 48) if large else (3, 6, 12, 24),
                window=12 if large else 7,
                channels=256,
                tower_depth=8 if large else 6,
                is_fused=one.name != "glip-t-a",
                text_width=768,
                text_layers=12,
                text_mlp_width=3072,
                vocab_size=30_522,
                context_length=512,
            )
        )
    if one.kind.endswith("grounding-dino"):
        return _grounding(one)
    is_large, patch = "large" in one.name, int(one.name.partition("patch")[2].partition("-")[0])
    width, layers, heads, text_width = (1024, 24, 16, 768) if is_large else (768, 12, 12, 512)
    image = VisionTransformer(one.size_px, patch, width, layers, heads, 4 * width)
    text = TextTransformer(16, 49_408, text_width, 12, text_width // 64, 4 * text_width)
    clip = Architecture(text_width, image, text, "quick_gelu")
    return OwlDetector(OwlArchitecture(clip, has_objectness=one.kind == "owlv2"))


def _grounding(one: LocatorEntry) -> GroundingDino:
    """Build what the configurations on the hub say, by size; the rest is as usual."""
    sizes = {
        "tiny": (96, 6, (3, 6, 12, 24), 7, [2, 3, 4], 4),
        "base": (128, 18, (4, 8, 16, 32), 12, [2, 3, 4], 4),
        "large": (192, 18, (6, 12, 24, 48), 12, [1, 2, 3, 4], 5),
    }
    (size,) = [size for size in sizes if f"-{size}" in one.name]
    width, depth, heads, window, stages, n_levels = sizes[size]
    swin = {
        "model_type": "swin",
        "embed_dim": width,
        "depths": [2, 2, depth, 2],
        "num_heads": list(heads),
        "window_size": window,
        "out_indices": stages,
    }
    told = {"model_type": one.kind, "backbone_config": swin, "num_feature_levels": n_levels}
    return GroundingDino(read_grounding(JsonObject(told, Path("config.json"))))
