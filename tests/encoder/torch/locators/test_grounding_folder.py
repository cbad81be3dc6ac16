"""Grounding DINO's folders: what is read, and what is refused, each in a line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from clipcli.cli.app import run
from clipcli.encoder.load_locator import load_locator
from clipcli.encoder.locator import Question
from clipcli.encoder.torch.locators.glip_text import CaptionRules, WordPiece
from clipcli.errors import ModelError, UsageError
from clipcli.models.locators.source import is_locator, open_locator

from .grounding_toys import N_WORDS, build, vocabulary, write
from .test_owl import photo

pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

RULES = CaptionRules("Grounding DINO", 256, ".", ".?", lowers=True)
NAMES = ["cat", "remote control"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write(build("tiny"), folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "model"))


@pytest.fixture
def words(tmp_path: Path) -> WordPiece:
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    return WordPiece(tmp_path / "vocab.txt", N_WORDS, RULES)


def change(path: Path, *keys: str, value: Any) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    part = data
    for key in keys[:-1]:
        part = part[key]
    if value is None:
        part.pop(keys[-1], None)
    else:
        part[keys[-1]] = value
    path.write_text(json.dumps(data), encoding="utf-8")


def rewrite(folder: Path, edit: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors")


def scores(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    locator = load_locator(open_locator(folder), "cpu", "fp32")
    question = Question.of_names(NAMES)
    return locator.locate(photo(150, 90), question, min_score=0.0, nms=1.0).scores


def test_a_folder_is_known_by_its_kind(folder: Path) -> None:
    assert is_locator(folder)
    assert open_locator(folder).kind == "mm-grounding-dino"
    assert open_locator(folder).sides == (96, 160)


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (("two_stage",), False, "two_stage is false"),
        (("embedding_init_target",), False, "embedding_init_target is false"),
        (("position_embedding_type",), "learned", 'position_embedding_type is "learned"'),
        (("activation_function",), "gelu", 'activation_function is "gelu"'),
        (("query_dim",), 2, "query_dim is 2"),
        (("two_stage_bbox_embed_share",), True, "two_stage_bbox_embed_share is true"),
        (("backbone_config", "model_type"), "resnet", 'backbone_config.model_type is "resnet"'),
        (("backbone_config", "use_absolute_embeddings"), True, "use_absolute_embeddings is true"),
        (("backbone_config", "out_features"), ["stage2", "stage4"], "that follow each other"),
        (("backbone_config", "num_heads"), [1, 2, 2], "differ in length"),
        (("text_config", "model_type"), "roberta", 'text_config.model_type is "roberta"'),
        (("d_model",), 48, "32 does not divide 48"),
        (("num_feature_levels",), 2, "Swin gives 3 maps"),
        (("max_text_len",), 4096, "BERT knows 512 positions"),
        (("num_queries",), 0, "num_queries: expected a positive whole number"),
    ],
)
def test_a_variant_that_is_not_known_is_refused(
    folder: Path, keys: tuple[str, ...], value: Any, says: str
) -> None:
    change(folder / "config.json", *keys, value=value)

    with pytest.raises(ModelError) as caught:
        open_locator(folder)

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (("size", "shortest_edge"), None, "size.shortest_edge: expected a positive whole number"),
        (("size", "shortest_edge"), 200, "is not longer than the longest"),
        (("resample",), 3, "resample is 3"),
        (("rescale_factor",), 1.0, "expected 1/255"),
        (("do_normalize",), False, "do_normalize is false"),
        (("pad_size",), {"height": 9, "width": 9}, "pad_size is"),
        (("image_std",), [0.2, 0, 0.2], "numbers above zero"),
    ],
)
def test_another_preprocessing_is_refused(
    folder: Path, keys: tuple[str, ...], value: Any, says: str
) -> None:
    change(folder / "preprocessor_config.json", *keys, value=value)

    with pytest.raises(ModelError) as caught:
        open_locator(folder)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vocab.txt", "its vocabulary (tokenizer.json or vocab.txt) is missing"),
        ("preprocessor_config.json", "its preprocessor_config.json is missing"),
        ("model.safetensors", "its weights (model.safetensors) is missing"),
    ],
)
def test_a_folder_that_lacks_a_file_says_which(
    folder: Path, capfd: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    (folder / name).unlink()
    from PIL import Image

    Image.fromarray(photo(30, 20)).save(folder / "a.png")

    code = run(["locate", str(folder / "a.png"), "-l", "cat, dog", "--model", str(folder)])

    told = capfd.readouterr().err
    assert code == 4
    assert says in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("missing", "1 missing (model.encoder.layers.1.fusion_layer.vision_param"),
        ("unexpected", "1 unexpected (model.surplus"),
        ("misshapen", "1 of another shape (enc_output.weight 64x63 where 64x64 belongs"),
    ],
)
def test_weights_that_do_not_fit_exactly_are_refused(folder: Path, fault: str, says: str) -> None:
    def edit(weights: dict[str, Any]) -> None:
        if fault == "missing":
            del weights["model.encoder.layers.1.fusion_layer.vision_param"]
        elif fault == "unexpected":
            weights["model.surplus"] = np.zeros(3, np.float32)
        else:
            weights["model.enc_output.weight"] = np.zeros((64, 63), np.float32)

    rewrite(folder, edit)

    with pytest.raises(ModelError) as caught:
        load_locator(open_locator(folder), "cpu")

    assert says in str(caught.value)


def test_heads_under_the_decoders_names_are_the_same_heads(folder: Path) -> None:
    expected = scores(folder)

    def edit(weights: dict[str, Any]) -> None:
        for name in [name for name in weights if name.startswith(("bbox_embed", "class_embed"))]:
            weights[f"model.decoder.{name}"] = weights[name].copy()
        # One head is there under the second name alone.
        for name in [name for name in weights if name.startswith("bbox_embed.1")]:
            del weights[name]
        weights[
            "model.backbone.conv_encoder.model.encoder.layers.0.blocks.0.attention.self."
            "relative_position_index"
        ] = np.zeros((16, 16), np.int64)

    rewrite(folder, edit)

    assert (scores(folder) == expected).all()


def test_a_second_head_that_differs_is_refused(folder: Path) -> None:
    def edit(weights: dict[str, Any]) -> None:
        name = "bbox_embed.0.layers.0.bias"
        weights[f"model.decoder.{name}"] = weights[name] + 1

    rewrite(folder, edit)

    with pytest.raises(ModelError, match=r"is not the same as bbox_embed\.0\.layers\.0\.bias"):
        open_locator(folder)


def test_one_head_may_serve_all_layers(tmp_path: Path) -> None:
    write(build("original"), tmp_path)
    assert not any("bbox_embed.1" in name for name in load_file(tmp_path / "model.safetensors"))
    assert scores(tmp_path).std() > 0.01

    change(tmp_path / "config.json", "decoder_bbox_embed_share", value=False)
    with pytest.raises(ModelError, match=r"12 missing \(bbox_embed\.1"):
        open_locator(tmp_path)


def test_a_vocabulary_of_another_model_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(vocabulary()[:1050]) + "\n", encoding="utf-8")

    with pytest.raises(ModelError, match="has 1,050 tokens, the text tower 1,100"):
        load_locator(open_locator(folder), "cpu")


def test_a_name_with_a_full_stop_stays_one_phrase(words: WordPiece) -> None:
    (caption,) = words.captions(Question.of_names(["St. Bernard", "CAT"]))

    known = vocabulary()
    assert [known[i] for i in caption.ids] == [
        *("[CLS]", "st", "bernard", ".", "cat", ".", "[SEP]")
    ]
    assert caption.tokens == ((1, 2), (4,))


def test_a_tokenizer_file_reads_as_its_vocabulary(folder: Path) -> None:
    import transformers

    names = Question.of_names(["Cat", "St. Bernard", "remote control?"])
    expected = WordPiece(folder / "vocab.txt", N_WORDS, RULES).captions(names)

    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    (folder / "vocab.txt").unlink()

    path = open_locator(folder).tokenizer_path
    assert path.name == "tokenizer.json"
    assert WordPiece(path, N_WORDS, RULES).captions(names) == expected


def test_a_sentence_gets_the_stop_that_it_lacks(words: WordPiece) -> None:
    question = Question.of_sentence("a cat", [(0, 5)])
    asking = Question.of_sentence("a cat?", [(0, 5)])

    (caption,), (other,) = words.captions(question), words.captions(asking)

    assert caption.ids == (101, 206, 200, 1012, 102)
    assert other.ids == (101, 206, 200, 1029, 102)


def test_many_long_names_are_cut_into_captions_that_fit(words: WordPiece) -> None:
    names = ["remote control " * 5] * 60

    captions = words.captions(Question.of_names(names))

    assert all(len(caption.ids) <= 256 for caption in captions)
    assert [p for caption in captions for p in caption.phrases] == list(range(60))
    assert all(caption.ids[-2:] == (1012, 102) for caption in captions)


@pytest.mark.parametrize("names", [["cat", "dog " * 300], ["."], ["cat", "?."]])
def test_a_name_that_cannot_be_read_is_refused(words: WordPiece, names: list[str]) -> None:
    with pytest.raises(UsageError, match=r"Grounding DINO (reads 256|knows)") as caught:
        words.captions(Question.of_names(names))

    assert len(str(caught.value)) < 150
