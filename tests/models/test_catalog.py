"""The catalogue as data: its names, its sources, and what it wants from a repository."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from clipcli.errors import ModelError
from clipcli.models.catalog.catalog import (
    catalog,
    find_by_sha256,
    find_entry,
    normalise,
    suggest,
)
from clipcli.models.catalog.entry import wanted_files

INSTALLABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# Names as other programs and pages write them, and ours.
ELSEWHERE = {
    "ViT-B/32": "ViT-B-32.openai",
    "ViT-B-32": "ViT-B-32.openai",
    "vit_b_32": "ViT-B-32.openai",
    "  RN50x4 ": "RN50x4.openai",
    "openai/clip-vit-base-patch32": "ViT-B-32.openai",
    "ViT-L/14@336px": "ViT-L-14-336.openai",
    "ViT-L-14-336": "ViT-L-14-336.openai",
    "https://huggingface.co/openai/clip-vit-large-patch14/": "ViT-L-14.openai",
    "ViT-B-32-quickgelu:openai": "ViT-B-32.openai",
    "ViT-B-32/laion2b_s34b_b79k": "ViT-B-32.laion2b_s34b_b79k",
    "ViT-B-32,laion2b_s34b_b79k": "ViT-B-32.laion2b_s34b_b79k",
    "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K": "ViT-B-32.laion2b_s34b_b79k",
    "CLIP-ViT-bigG-14-laion2B-39B-b160k": "ViT-bigG-14.laion2b_s39b_b160k",
    "facebook/metaclip-h14-fullcc2.5b": "ViT-H-14.metaclip_fullcc",
    "hf-hub:apple/DFN5B-CLIP-ViT-H-14-378": "ViT-H-14-378.dfn5b",
    "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M": "TinyCLIP-ViT-8M-16-Text-3M-YFCC15M",
    "google/siglip2-so400m-patch16-512": "siglip2-so400m-patch16-512",
    "ViT-B-16-SigLIP/webli": "siglip-base-patch16-224",
}

# https://github.com/mlfoundations/open_clip/blob/main/src/open_clip/pretrained.py
ACTIVATIONS = {
    "ViT-B-32.openai": "quick_gelu",
    "ViT-B-32.laion400m_e32": "quick_gelu",
    "ViT-B-16.laion400m_e32": "gelu",
    "ViT-B-32.laion2b_s34b_b79k": "gelu",
    "ViT-H-14.metaclip_fullcc": "quick_gelu",
    "ViT-H-14.metaclip_altogether": "gelu",
    "ViT-L-14.dfn2b": "quick_gelu",
    "ViT-L-14.dfn2b_s39b": "gelu",
    "siglip2-base-patch16-224": "gelu_tanh",
}

# What the hub showed at https://huggingface.co/REPOSITORY/tree/main (folders left out).
HUB = {
    "RN50x64.openai": (
        "README.md merges.txt open_clip_config.json open_clip_model.safetensors "
        "open_clip_pytorch_model.bin special_tokens_map.json tokenizer.json "
        "tokenizer_config.json vocab.json"
    ),
    "ViT-g-14.laion2b_s12b_b42k": (
        "README.md config.json merges.txt model.safetensors open_clip_config.json "
        "open_clip_pytorch_model.bin open_clip_pytorch_model.safetensors "
        "preprocessor_config.json pytorch_model.bin vocab.json"
    ),
    "ViT-B-16.dfn2b": (
        "LICENSE README.md eval_results.jsonl merges.txt open_clip_config.json "
        "open_clip_pytorch_model.bin special_tokens_map.json tokenizer.json "
        "tokenizer_config.json vocab.json"
    ),
    "TinyCLIP-ViT-40M-32-Text-19M-LAION400M": (
        "README.md config.json model.safetensors preprocessor_config.json pytorch_model.bin "
        "tokenizer.json"
    ),
}


def test_finds_a_model_by_names_from_elsewhere(subtests: pytest.Subtests) -> None:
    for spelling, name in ELSEWHERE.items():
        entry = find_entry(spelling)

        with subtests.test(spelling):
            assert entry is not None
            assert entry.name == name


def test_finds_a_model_by_its_own_names(subtests: pytest.Subtests) -> None:
    for entry in catalog():
        for name in (entry.name, entry.repository, *entry.aliases):
            with subtests.test(name):
                assert find_entry(name) is entry


@pytest.mark.parametrize("name", ["", "/", "ViT-H-14", "mini", "./ViT-B-32.pt", "openai"])
def test_does_not_take_other_names_for_a_model(name: str) -> None:
    assert find_entry(name) is None


def test_says_no_name_twice() -> None:
    names = Counter(normalise(n) for entry in catalog() for n in (entry.name, *entry.aliases))

    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ViT-B/23", "ViT-B-32.openai"),
        ("VitB32", "ViT-B-32.openai"),
        ("openai/clip-vit-base-patch23", "ViT-B-32.openai"),
        ("siglip2-base-16-224", "siglip2-base-patch16-224"),
        ("ViT-H-14", "ViT-H-14.laion2b_s32b_b79k"),
        ("dfn", "ViT-H-14.dfn5b"),
    ],
)
def test_suggests_what_was_meant(typed: str, meant: str) -> None:
    suggestions = suggest(typed, n=5)

    assert meant in suggestions
    assert len(suggestions) == len(set(suggestions)) <= 5


@pytest.mark.parametrize("typed", ["", "  ", "a colleague's model", "/tmp/x.pt"])
def test_suggests_nothing_where_nothing_is_near(typed: str) -> None:
    assert suggest(typed) == []


def test_every_figure_and_digest_has_a_source(subtests: pytest.Subtests) -> None:
    for entry in catalog():
        sources = [entry.imagenet_source] * (entry.imagenet_top1 is not None)
        sources += [entry.sha256_source] * bool(entry.sha256)

        with subtests.test(entry.name):
            assert all(source.startswith("https://") for source in sources)
            assert bool(entry.imagenet_source) == (entry.imagenet_top1 is not None)
            assert bool(entry.sha256_source) == bool(entry.sha256)


def test_every_value_is_one_that_can_be(subtests: pytest.Subtests) -> None:
    for entry in catalog():
        digests = entry.sha256.values()

        with subtests.test(entry.name):
            assert INSTALLABLE.fullmatch(entry.name)
            assert re.fullmatch(r"[\w-]+/[\w.-]+", entry.repository)
            assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
            assert all(re.fullmatch(r"[\w.-]+", file) for file in (*entry.files, *entry.sha256))
            assert entry.imagenet_top1 is None or 1 < entry.imagenet_top1 < 100
            assert entry.preprocessing.size == entry.image_size
            assert entry.scoring == ("sigmoid" if "siglip" in entry.name else "softmax")


def test_no_two_models_have_the_same_digest_or_repository() -> None:
    digests = Counter(digest for entry in catalog() for digest in entry.sha256.values())
    repositories = Counter(entry.repository for entry in catalog())

    assert {*digests.values(), *repositories.values()} == {1}


def test_knows_a_published_file_by_its_digest() -> None:
    # In the address of https://github.com/openai/CLIP/blob/main/clip/clip.py
    digest = "40D365715913C9DA98579312B702A82C18BE219CC2A73407C4526F58EBA950AF"

    entry = find_by_sha256(digest)

    assert entry is not None
    assert entry.name == "ViT-B-32.openai"
    assert find_by_sha256("0" * 64) is None


def test_knows_the_activation(subtests: pytest.Subtests) -> None:
    for name, activation in ACTIVATIONS.items():
        entry = find_entry(name)

        with subtests.test(name):
            assert entry is not None
            assert entry.architecture.activation == activation


@pytest.mark.parametrize("name", HUB)
def test_wants_of_a_repository_what_is_listed(name: str) -> None:
    entry = find_entry(name)
    assert entry is not None

    wanted = entry.wanted_files(HUB[name].split())

    assert wanted == entry.files


def test_wants_a_siglip_tokenizer_and_its_settings() -> None:
    # https://huggingface.co/google/siglip-base-patch16-384/tree/refs%2Fpr%2F1
    available = [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    entry = find_entry("siglip-base-patch16-384")
    assert entry is not None

    wanted = entry.wanted_files(available)

    assert set(wanted) == set(available) - {"README.md", "spiece.model"}


def test_wants_all_shards_but_none_from_elsewhere() -> None:
    available = [
        *("config.json", "merges.txt", "vocab.json", "model.safetensors.index.json"),
        *("model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"),
        *("../model-00001-of-00002.safetensors", "onnx/model.safetensors", "pytorch_model.bin"),
    ]

    wanted = wanted_files("some/clip", "huggingface", available)

    assert wanted == (
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "merges.txt",
        "vocab.json",
    )


@pytest.mark.parametrize(
    ("missing", "told"),
    [("config.json", "configuration"), ("model.safetensors", "weights"), ("vocab", "tokenizer")],
)
def test_says_what_a_repository_lacks(missing: str, told: str) -> None:
    available = {"config.json", "model.safetensors", "tokenizer.json"}
    available -= {"tokenizer.json" if missing == "vocab" else missing}

    with pytest.raises(ModelError, match=f"some/clip: no {told}"):
        wanted_files("some/clip", "huggingface", available)


def test_needs_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, clipcli.models.catalog.catalog; "
        "print(sorted({'torch', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
