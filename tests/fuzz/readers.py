"""Every reader of what others wrote: how it is called, and whole files for it to begin from.

A reader takes the path of a file that was changed; whatever else it needs lies beside it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipcli.errors import ClipcliError
from tests.fuzz.batch_reader import batch_seeds, read_a_batch
from tests.images.test_raw_preview import (
    Page,
    by_offset,
    by_strip,
    canon_3,
    container,
    fujifilm,
    jpeg,
    sensor,
)
from tests.images.test_tiff_kinds import tiff_of


@dataclass(frozen=True)
class Reader:
    """A reader by name; ``seeds`` makes whole files, each (file name, content)."""

    name: str
    read: Callable[[Path], Any]
    seeds: Callable[[], Iterator[tuple[str, bytes]]]


def read_labels(path: Path) -> None:
    from clipcli.labels.label_set import load_label_set

    load_label_set(str(path))


def label_seeds() -> Iterator[tuple[str, bytes]]:
    yield "a.txt", "# animals\ncat | kitty\ndog|puppy\nИсландия\n".encode()
    yield "a.csv", b'label,synonyms,parent,threshold\ncat,kitty|puss,pet,0.5\n"a, b",,,\n'
    yield "a.json", b'{"name": "x", "labels": ["cat", {"name": "dog", "threshold": 0.5}]}'
    head = b"name: x\ntemplates: ['a {}']\nreject: [nothing]\nlabels:\n- cat\n"
    yield "a.yaml", head + b"- {name: dog, synonyms: [puppy], parent: pet, threshold: 0.3}\n"


def read_picture(path: Path) -> None:
    from clipcli.images.load import load_pixels
    from clipcli.models.config import Preprocessing

    load_pixels(path, Preprocessing(64), exact=True)


def read_a_date(path: Path) -> None:
    from clipcli.images.taken import taken_on

    taken_on(path)


def read_an_origin(path: Path) -> None:
    from clipcli.images.origin import read_origin

    read_origin(path)


def origin_seeds() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    screen = Image.new("RGB", (1366, 768), "white")
    screen.paste((9, 9, 9), (100, 100, 500, 120))
    for form in ("png", "jpeg", "webp"):
        stream = io.BytesIO()
        screen.save(stream, form)
        yield f"a.{form}", stream.getvalue()
    page = io.BytesIO()
    Image.new("1", (595, 842), 1).save(page, "TIFF", compression="group4")
    yield "a.tif", page.getvalue()
    yield from date_seeds()


def change_keywords(path: Path) -> None:
    from clipcli.workflows.tagging.containers import embedded
    from clipcli.workflows.tagging.keywords import EMPTY, Keyword, with_keywords, without_ours

    def change(packet: bytes | None) -> bytes:
        return without_ours(with_keywords(packet or EMPTY, [Keyword("cat", "animal")]))

    data = path.read_bytes()
    if path.suffix == ".xmp":
        change(data)
    else:
        embedded(data, change)


def keyword_seeds() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    from clipcli.workflows.tagging.containers import embedded
    from clipcli.workflows.tagging.keywords import EMPTY
    from tests.workflows.tagging.samples import WRITTEN

    for name, text in WRITTEN.items():
        yield f"{name}.xmp", text.encode()
    for form in ("jpeg", "png"):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, form)
        yield f"a.{form}", embedded(stream.getvalue(), lambda _: EMPTY)


def date_seeds() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    exif = Image.Exif()
    exif[306] = "2023:07:14 18:05:59"
    exif.get_ifd(0x8769)[36867] = "2023:07:14 18:05:59"
    picture = Image.new("RGB", (12, 9))
    for name in ("a.jpg", "a.png", "a.webp", "a.tif", "a.avif"):
        stream = io.BytesIO()
        picture.save(stream, Image.registered_extensions()[name[1:]], exif=exif)
        yield name, stream.getvalue()
    yield "a.nef", exif.tobytes().removeprefix(b"Exif\0\0")


def picture_seeds() -> Iterator[tuple[str, bytes]]:
    from PIL import Image

    y, x = np.mgrid[0:40, 0:56]
    pixels = np.stack([x * 4, y * 6, x * y % 256], axis=2).astype(np.uint8)
    picture = Image.fromarray(pixels)
    deep = Image.fromarray((x * y * 9).astype(np.uint16))
    frames = [picture, picture.transpose(Image.Transpose.ROTATE_180)]
    for name, image, options in (
        ("a.jpg", picture, {"quality": 80}),
        ("progressive.jpg", picture, {"progressive": True}),
        ("cmyk.jpg", picture.convert("CMYK"), {}),
        ("a.png", picture, {}),
        ("deep.png", deep, {}),
        ("palette.png", picture.quantize(16), {}),
        ("alpha.png", picture.convert("RGBA"), {}),
        ("a.webp", picture, {"lossless": True}),
        ("a.avif", picture, {}),
        ("a.gif", picture.quantize(16), {}),
        ("animated.gif", frames[0].quantize(16), {"save_all": True, "append_images": frames[1:]}),
        ("a.tif", picture, {}),
        ("deflate.tif", picture, {"compression": "tiff_adobe_deflate"}),
        ("lzw.tif", deep, {"compression": "tiff_lzw"}),
        ("big.tif", picture, {"big_tiff": True}),
        ("a.bmp", picture, {}),
        ("a.jp2", picture, {}),
        ("a.ppm", picture, {}),
    ):
        out = io.BytesIO()
        kind = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(name[-3:])
        image.save(out, kind or name.rpartition(".")[2].upper(), **options)
        yield name, out.getvalue()
    yield from deep_seeds(pixels.astype(np.uint16) * 16 + 7)
    yield from raw_seeds()
    yield "plain.ppm", b"P3\n# a comment\n4 2\n255\n" + b"1 2 3 " * 8


def deep_seeds(values: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Yield colours of 12 bits in 16: in packed planes, and with the word of a PNG."""
    from PIL import Image, PngImagePlugin

    height, width, bands = values.shape
    planes = [zlib.compress(values[..., band].astype("<u2").tobytes()) for band in range(bands)]
    starts = np.cumsum([8, *map(len, planes)]).tolist()
    tags = {256: (width,), 257: (height,), 258: (16,) * 3, 259: (8,), 262: (2,), 277: (3,)}
    tags |= {273: tuple(starts[:-1]), 278: (height,), 279: tuple(map(len, planes)), 284: (2,)}
    yield "planes.tif", tiff_of(b"".join(planes), tags)
    said = PngImagePlugin.PngInfo()
    said.add(b"sBIT", b"\x0c")
    out = io.BytesIO()
    Image.fromarray(values[..., 0]).save(out, "PNG", pnginfo=said)
    yield "bits.png", out.getvalue()


def raw_seeds() -> Iterator[tuple[str, bytes]]:
    """Yield raw photographs with a large preview, which is a strip here."""
    strip = jpeg(1000, 16)
    inner = [by_offset(strip, _254=1), sensor()]
    yield "a.nef", container([Page({254: 1, 271: 1}, {}, inner)])
    yield "a.cr2", container([by_strip(strip, 6), sensor()], gap=b"CR\2\0" + bytes(4))
    yield "a.rw2", container([Page({1: 1}, {46: strip})], head=b"IIU\0", gap=bytes(16))
    yield "a.raf", fujifilm(strip)
    yield "a.cr3", canon_3(jpeg(1000, 8), strip, 6)


def open_weights(path: Path) -> None:
    from clipcli.models.formats.safetensors import read_metadata
    from clipcli.models.formats.tensor_map import read_weights

    file = read_weights(path)
    if path.suffix == ".safetensors":
        read_metadata(path)
    for stored in file.table.values():
        with path.open("rb") as content:
            content.seek(stored.place.begin)
            content.read(min(stored.place.end - stored.place.begin, 1000))


def safetensors_seeds() -> Iterator[tuple[str, bytes]]:
    from clipcli.models.formats.safetensors import RawTensor, tensor_pieces

    tensors = {f"a.{i}": RawTensor("F32", (2, i), bytes(8 * i)) for i in range(4)}
    tensors["scale"] = RawTensor("BF16", (), b"\0\0")
    yield "a.safetensors", b"".join(tensor_pieces(tensors, {"note": "x"}))


class Pickler:
    """Writes the few operations that PyTorch's own pickles have, without PyTorch."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")

    def text(self, text: str) -> Pickler:
        data = text.encode()
        self.out += b"X" + len(data).to_bytes(4, "little") + data
        return self

    def tensor(self, key: str, n: int) -> Pickler:
        self.out += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        self.text("storage").out += b"ctorch\nFloatStorage\n"
        self.text(key).text("cpu").out += b"K" + bytes([n]) + b"tQK\0K" + bytes([n]) + b"\x85K\x01"
        self.out += b"\x85\x89ccollections\nOrderedDict\n)Rtq\x01R"
        return self

    def done(self) -> bytes:
        return bytes(self.out + b".")


def torch_seeds() -> Iterator[tuple[str, bytes]]:
    state = Pickler()
    state.out += b"ccollections\nOrderedDict\n)Rq\0("
    state.text("a.weight").tensor("0", 4).text("b.bias").tensor("1", 3).out += b"u"
    script = Pickler()
    script.out += b"c__torch__.model\nModel\n)\x81}("
    script.text("a").tensor("0", 4).out += b"ub"
    for name, pickle, extras in (
        ("a.pt", state.done(), {"byteorder": b"little", "version": b"3\n"}),
        ("script.pt", script.done(), {"constants.pkl": b"\x80\x02)."}),
    ):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("a/data.pkl", pickle)
            for member, content in extras.items():
                archive.writestr(f"a/{member}", content)
            archive.writestr("a/data/0", bytes(16))
            archive.writestr("a/data/1", bytes(12))
        yield name, out.getvalue()
    magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    machine = Pickler()
    machine.out += b"}("
    machine.text("little_endian").out += b"\x88u"
    keys = Pickler()
    keys.out += b"]("
    keys.text("0").text("1").out += b"e"
    storages = b"".join(n.to_bytes(8, "little") + bytes(4 * n) for n in (4, 3))
    head = magic + b"\x80\x02M\xe9\x03." + machine.done()
    yield "old.pt", head + state.done() + keys.done() + storages


def read_a_probe(path: Path) -> None:
    from clipcli.pipeline.probe import read_probe

    read_probe(path)


def probe_seeds() -> Iterator[tuple[str, bytes]]:
    from clipcli.pipeline.probe import Probe

    probe = Probe(("cat", "dog"), np.eye(2), np.zeros(2), "mini", "0" * 64, "fp32", {"shots": 3})
    yield "probe.safetensors", b"".join(probe.pieces())


def read_a_calibration(path: Path) -> None:
    from clipcli.pipeline.calibration import read_calibrations

    read_calibrations(path)


def calibration_seeds() -> Iterator[tuple[str, bytes]]:
    purpose = {"fingerprint": "0", "label_set_hash": "1", "templates": ["{}"], "neutral_hash": "2"}
    numbers = dict.fromkeys(
        ("logit_bias", "temperature", "reject_threshold", "error_before", "error_after"), 0.5
    )
    one = {"purpose": purpose, "model": "mini", "label_set": "x", "logit_scale": 100.0, **numbers}
    one |= {"n_pictures": 5, "made": "2026-01-01T00:00:00+00:00"}
    yield "a.calibration.json", json.dumps({"format": 1, "calibrations": [one]}).encode()


def read_a_result(path: Path) -> None:
    from clipcli.output.reader import read_results

    list(read_results(path).entries)


def result_seeds() -> Iterator[tuple[str, bytes]]:
    top = [{"label": "cat", "probability": 0.9, "similarity": 0.3}]
    good = {"path": "a", "status": "ok", "label": "cat", "probability": 0.9, "top": top}
    bad = {"path": "b", "status": "skipped", "reason": "empty file"}
    odd = {**good, "path": "\ufffd", "path_bytes": "/w==", "labels": top, "decision": "label"}
    records = [good, bad, odd]
    yield "a.jsonl", "".join(json.dumps(one) + "\n" for one in records).encode()
    document = {"version": "1", "results": records, "skipped": 1, "error": None, "provenance": {}}
    yield "a.json", json.dumps(document).encode()
    yield "a.csv", b"path,status,label,probability,reason\r\na,ok,cat,0.9,\r\nb,skipped,,,empty\r\n"
    yield "a.tsv", b"a\tcat\t0.9\nb\\t\tdog\t0.5\nb\\t\tcow\t0.4\n"


def read_a_journal(path: Path) -> None:
    from clipcli.workflows.journal.journal import open_journal
    from clipcli.workflows.journal.undo import plan_undo

    with open_journal(path) as journal:
        plan_undo(journal.read())


def journal_seeds() -> Iterator[tuple[str, bytes]]:
    head = {"journal": "clipcli sort", "version": 1, "started": "2026-01-01T00:00:00+00:00"}
    head |= {"source": "/nowhere/a", "into": "/nowhere/b", "action": "move", "folders": {"": 5}}
    state = {"size": 3, "mtime_ns": 10**18, "mode": 420, "device": 1, "inode": 2}
    step = {"step": 2, "do": "move", "to": "cat/a.jpg", "from": "a\udcff.jpg", **state}
    lines = [head, {"step": 1, "do": "folder", "to": "cat"}, {"done": 1}]
    lines += [
        step | {"sha256": "0" * 64},
        {"void": 2},
        {"undo": 2, "how": "back"},
        {"undone": "all"},
    ]
    yield "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode()


def use_a_cache(path: Path) -> None:
    """Ask a store all that a run asks; then look into it, and clear it, which must always do."""
    from clipcli.cache import upkeep
    from clipcli.cache.identity import Identity
    from clipcli.cache.image_cache import ImageCache, store_path
    from clipcli.cache.store import Kept, VectorSetting

    folder = path.with_name("cache")
    place = store_path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    place.parent.mkdir(parents=True)
    shutil.copyfile(path, place)
    cache = ImageCache(folder, 10**6)
    identity = Identity(1, 2, 3, 4, 5)
    cache.ask(lambda store: store.find_files([identity], 1, 2), None)
    cache.ask(lambda store: store.find_content(b"c" * 20, 1, 2), None)
    number = cache.ask(lambda store: store.setting(VectorSetting("[]"), make=True), None)
    kept = Kept(number or 1, b"d" * 20, identity, b"value")
    cache.ask(lambda store: store.write([kept], [(0, 1)], 7), None)
    cache.ask(lambda store: store.shrink(1), 0)
    cache.ask(lambda store: store.choice("x"), None)
    cache.close()
    shutil.copyfile(path, place)
    try:
        upkeep.look(folder)
    except ClipcliError:
        pass
    finally:
        upkeep.clear(folder)
        assert upkeep.look(folder).images == ()


def cache_seeds() -> Iterator[tuple[str, bytes]]:
    import tempfile

    from clipcli.cache.identity import Identity
    from clipcli.cache.store import Kept, Store, VectorSetting

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store")
        store = Store(path)
        facts = json.dumps(["vector", "f" * 64, "fp32", 2, False, "1"])
        number = store.setting(VectorSetting(facts, "mini", "f" * 64), make=True)
        kept = [
            Kept(number or 0, bytes([i]) * 20, Identity(1, i, 3, 4, 5), bytes(50)) for i in range(9)
        ]
        store.write(kept, [], 5)
        store.note_choice("x", "cpu", "fp32")
        store.close()
        yield "store.sqlite", path.read_bytes()


def read_a_tar(path: Path) -> None:
    from clipcli.training.data.webdataset import read_shards

    read_shards(path)


def tar_seeds() -> Iterator[tuple[str, bytes]]:
    for name, form in (("a.tar", tarfile.USTAR_FORMAT), ("pax.tar", tarfile.PAX_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            long = "" if form == tarfile.USTAR_FORMAT else "ä" * 120
            for member, content in (
                (f"{long}0.jpg", b"\xff\xd8\xff"),
                (f"{long}0.json", b'{"caption": "a cat", "more": [1, 2]}'),
                ("1.png", b"\x89PNG"),
                ("1.txt", b"a dog"),
            ):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        yield name, out.getvalue()


def read_an_archive(path: Path) -> None:
    """Read all pictures of a tar or a Parquet file, as ``classify`` does."""
    from clipcli.images.find import FindReport
    from clipcli.pipeline.image_data import ImageData
    from clipcli.pipeline.sources import read_source

    for one in read_source(str(path), FindReport()):
        if isinstance(one, ImageData):
            one.read()


def archive_seeds() -> Iterator[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, content in tar_seeds():
        yield name, content
        yield f"{name}.gz", gzip.compress(content, mtime=0)
        yield f"{name}.xz", lzma.compress(content)
        yield f"{name}.bz2", bz2.compress(content)
    pictures = [{"bytes": b"\x89PNG", "path": "a.png"}, {"bytes": None, "path": "b"}]
    for name, columns in (
        ("a.parquet", {"image": pictures, "label": [1, 2]}),
        ("b.parquet", {"jpg": [b"\xff\xd8", b"\xff"], "__key__": ["a", "b"]}),
    ):
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        yield name, out.getvalue()


def read_a_table(path: Path) -> None:
    from clipcli.images.class_tree import read_class_tree
    from clipcli.training.data.tables import read_table

    try:
        read_table(path)
    except ClipcliError:
        if path.suffix == ".jsonl":
            raise
    read_class_tree(str(path))


def table_seeds() -> Iterator[tuple[str, bytes]]:
    yield (
        "a.csv",
        b'image,caption,label,path,split\na.jpg,"a cat",cat,a.jpg,train\nb.jpg,x,dog,b,\n',
    )
    yield "a.tsv", b"image\tcaption\tlabel\tpath\na.jpg\ta cat\tcat\ta.jpg\n"
    yield "a.jsonl", b'{"image": "a.jpg", "caption": ["a cat", "a kitten"]}\n'


def read_a_manifest(path: Path) -> None:
    """Read the files that say what a model is: configurations, indexes, pointers, vocabularies."""
    from clipcli.models.config_file import read_config
    from clipcli.models.formats import huggingface
    from clipcli.models.formats.huggingface_keys import huggingface_clip
    from clipcli.models.formats.json_reader import read_object
    from clipcli.models.formats.preprocessor import read_preprocessor
    from clipcli.models.formats.tensor_map import read_shard_index
    from clipcli.models.store_pointer import read_pointer
    from clipcli.models.tokenizer.vocabulary import read_vocabulary

    if path.name == "hf.json":
        config = read_object(path)
        huggingface.model_type(config)
        huggingface_clip(huggingface.read_clip(config))
        return
    {
        "config.json": read_config,
        "pulled.json": read_pointer,
        "model.index.json": read_shard_index,
        "preprocessor_config.json": read_preprocessor,
        "tokenizer.json": read_vocabulary,
        "merges.txt": read_vocabulary,
    }[path.name](path)


def manifest_seeds() -> Iterator[tuple[str, bytes]]:
    from clipcli.models.config import Preprocessing
    from clipcli.models.folder import builtin_model_folder

    yield "config.json", (builtin_model_folder() / "config.json").read_bytes()
    hf = {"model_type": "clip", "projection_dim": 64, "text_config": {"num_hidden_layers": 2}}
    yield "hf.json", json.dumps(hf | {"vision_config": {"image_size": 64}}).encode()
    pointer = {"format": 1, "name": "x", "repository": "a/b", "revision": "0" * 40, "path": "/a"}
    pointer |= {"fingerprint": "", "licence": "mit", "activation": "gelu"}
    files = [{"name": "model.safetensors", "n_bytes": 5, "sha256": "0" * 64}]
    yield "pulled.json", json.dumps(pointer | {"files": files}).encode()
    index = {"metadata": {"total_size": 5}, "weight_map": {"a": "1.safetensors"}}
    yield "model.index.json", json.dumps(index).encode()
    usual = Preprocessing(224)
    preprocessor = {"crop_size": 224, "size": {"shortest_edge": 224}, "resample": 3}
    preprocessor |= {"image_mean": usual.mean, "image_std": usual.std, "do_resize": True}
    yield "preprocessor_config.json", json.dumps(preprocessor).encode()
    merges = ["a b", "ab c</w>"]
    yield "merges.txt", ("#version: 0.2\n" + "\n".join(merges) + "\n").encode()
    model = {"merges": merges, "end_of_word_suffix": "</w>", "vocab": {"a": 0}}
    added = [{"content": "<|endoftext|>", "id": 1}]
    yield "tokenizer.json", json.dumps({"model": model, "added_tokens": added}).encode()


def read_a_locator(path: Path) -> None:
    """Read what says what a model is, by the kinds that have a layout of their own."""
    from clipcli.models.config import Preprocessing
    from clipcli.models.formats import huggingface
    from clipcli.models.formats.huggingface_keys import huggingface_siglip
    from clipcli.models.formats.json_reader import read_object
    from clipcli.models.formats.preprocessor import read_openclip_preprocess
    from clipcli.models.formats.tokenizer_files import read_siglip_tokens
    from clipcli.models.locators.grounding import (
        grounding_preprocessing,
        is_grounding,
        may_share_heads,
        read_grounding,
    )
    from clipcli.models.locators.grounding_keys import grounding_tensors
    from clipcli.models.locators.owl import is_owl, owl_tensors, read_owl
    from clipcli.models.locators.source import owl_preprocessing

    data = read_object(path)
    if path.name == "owl.json":
        if is_owl(data):
            owl_tensors(read_owl(data))
    elif path.name == "grounding.json":
        if is_grounding(data):
            may_share_heads(data)
            grounding_tensors(read_grounding(data))
    elif path.name == "resizing.json":
        grounding_preprocessing(path)
    elif path.name == "siglip.json":
        if huggingface.is_huggingface(data) and huggingface.model_type(data) != "clip":
            tokens = read_siglip_tokens(path.parent, huggingface.siglip_vocab_size(data))
            huggingface_siglip(huggingface.read_siglip(data, tokens))
    elif path.name == "openclip.json":
        read_openclip_preprocess(data.section("preprocess_cfg"), 224)
    else:
        assert isinstance(owl_preprocessing(path, 768), Preprocessing)


def locator_seeds() -> Iterator[tuple[str, bytes]]:
    text, image = {"num_hidden_layers": 2}, {"image_size": 768, "patch_size": 32}
    owl = {"model_type": "owlvit", "projection_dim": 64, "text_config": text}
    yield "owl.json", json.dumps(owl | {"vision_config": image}).encode()
    swin = {"model_type": "swin", "depths": [1, 1], "num_heads": [1, 2], "out_indices": [1, 2]}
    grounding = {"model_type": "mm-grounding-dino", "backbone_config": swin, "encoder_layers": 1}
    yield "grounding.json", json.dumps(grounding | {"num_feature_levels": 3}).encode()
    resizing = {"size": {"shortest_edge": 800, "longest_edge": 1333}, "resample": 2}
    yield (
        "resizing.json",
        json.dumps(resizing | {"image_mean": [0.5] * 3, "image_std": [0.2] * 3}).encode(),
    )
    siglip = {"model_type": "siglip", "text_config": {"vocab_size": 32000, "hidden_size": 64}}
    siglip |= {"vision_config": {"hidden_size": 64, "image_size": 224, "patch_size": 16}}
    yield "siglip.json", json.dumps(siglip).encode()
    preprocess = {"size": 224, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3}
    preprocess |= {"interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0}
    yield "openclip.json", json.dumps({"preprocess_cfg": preprocess}).encode()
    own = {"size": {"height": 768, "width": 768}, "image_mean": [0.5] * 3, "image_std": [0.2] * 3}
    yield "preprocessor.json", json.dumps(own).encode()


def read_boxes(path: Path) -> None:
    from clipcli.workflows.locate.annotations import read_annotations

    read_annotations(path)


def box_seeds() -> Iterator[tuple[str, bytes]]:
    boxes = [
        {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0, "id": 1},
        {"image_id": 1, "category_id": 3, "bbox": [1.5, 2, 3, 4], "iscrowd": 1, "id": 2},
    ]
    data = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": boxes}
    yield "boxes.json", json.dumps(data | {"categories": [{"id": 3, "name": "cat"}]}).encode()


def read_a_note(path: Path) -> None:
    """Read what clipcli writes for itself and people edit: settings, choices, expectations."""
    from clipcli.cli.settings import read_settings
    from clipcli.encoder.engines import _read
    from clipcli.encoder.selfcheck import read_expectations

    if path.suffix == ".toml":
        read_settings({"CLIPCLI_CONFIG": str(path)})
    elif path.name == "engines.json":
        _read(path)
    else:
        read_expectations(path, "0" * 64)


def note_seeds() -> Iterator[tuple[str, bytes]]:
    from clipcli.models.folder import builtin_model_folder

    head = b'model = "mini"\n[defaults]\ntop-k = 3\nno-cache = true\n'
    yield "clipcli.toml", head + b'[defaults.classify]\nmin-prob = 0.5\n[labels]\npets = "a.txt"\n'
    yield "engines.json", json.dumps({"0 x86_64 plain": "torch auto"}).encode()
    record = json.loads((builtin_model_folder() / "selfcheck.json").read_bytes())
    record |= {key: record[key][:2] for key in ("images", "texts")}
    yield "selfcheck.json", json.dumps(record | {"fingerprint": "0" * 64}).encode()


def read_a_hub_answer(path: Path) -> None:
    """Read what a hub says of a repository."""
    from clipcli.errors import ModelError
    from clipcli.models.hub.listing import ANSWER, read_listing
    from clipcli.strict_json import read_json

    read_listing("a/b", None, read_json(path, ModelError, ANSWER))


def hub_seeds() -> Iterator[tuple[str, bytes]]:
    siblings = [
        {"rfilename": "config.json", "size": 100, "blobId": "1"},
        {"rfilename": "model.safetensors", "size": 5, "lfs": {"sha256": "0" * 64, "size": 5}},
    ]
    answer = {"id": "a/b", "sha": "0" * 40, "siblings": siblings, "tags": ["x"]}
    yield "hub.json", json.dumps(answer | {"cardData": {"license": "mit"}}).encode()


READERS = (
    Reader("labels", read_labels, label_seeds),
    Reader("pictures", read_picture, picture_seeds),
    Reader("dates", read_a_date, date_seeds),
    Reader("origins", read_an_origin, origin_seeds),
    Reader("keywords", change_keywords, keyword_seeds),
    Reader("safetensors", open_weights, safetensors_seeds),
    Reader("torch", open_weights, torch_seeds),
    Reader("probe", read_a_probe, probe_seeds),
    Reader("calibration", read_a_calibration, calibration_seeds),
    Reader("results", read_a_result, result_seeds),
    Reader("journal", read_a_journal, journal_seeds),
    Reader("cache", use_a_cache, cache_seeds),
    Reader("tar", read_a_tar, tar_seeds),
    Reader("archives", read_an_archive, archive_seeds),
    Reader("tables", read_a_table, table_seeds),
    Reader("manifest", read_a_manifest, manifest_seeds),
    Reader("locator", read_a_locator, locator_seeds),
    Reader("batches", read_a_batch, batch_seeds),
    Reader("boxes", read_boxes, box_seeds),
    Reader("notes", read_a_note, note_seeds),
    Reader("hub", read_a_hub_answer, hub_seeds),
)


def prepare(folder: Path) -> None:
    """Import what the readers import, so that each child has it; keep caches out of the way."""
    os.environ["CLIPCLI_CACHE"] = str(folder / "own cache")
    os.environ["CLIPCLI_STATE"] = str(folder / "state")
    for reader in READERS:
        for name, content in reader.seeds():
            path = folder / name
            path.write_bytes(content)
            try:
                reader.read(path)
            except ClipcliError:
                continue
