"""Small files that ask for gigabytes or for ever; none may get more than a line.

Each was met by a reader that believed it: ``BEFORE`` in ``test_hostile.py`` says what came of that.
"""

from __future__ import annotations

import functools
import io
import json
import struct
import tarfile
import zipfile
import zlib

from PIL import Image


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words.encode())) + words.encode()


def number(n: int) -> bytes:
    return b"J" + struct.pack("<i", n)


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def archive(pickle: bytes, **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/data.pkl", pickle)
        for member, data in members.items():
            z.writestr("a/" + member.replace("__", "/"), data)
    return out.getvalue()


def pickles() -> dict[str, bytes]:
    doubling = b"\x80\x02" + text("x") + b"q\x00"
    for _ in range(36):
        doubling += name("torch", "device") + b"h\x00h\x00\x86Rq\x00"
    nested = b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 45 + b"}h\x00Ns."
    graph = b"\x80\x02" + name("__torch__", "M") + b")\x81q\x00"
    for _ in range(60):
        graph += (
            name("__torch__", "M") + b")\x81}(" + text("a") + b"h\x00" + text("b") + b"h\x00ubq\x00"
        )
    storage = (
        b"("
        + text("storage")
        + name("torch", "FloatStorage")
        + text("0")
        + text("cpu")
        + number(4)
        + b"tQ"
    )
    rebuilt = name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + number(0)
    rebuilt += b"(" + number(4) + b"t(" + number(1) + b"t\x89}tR"
    outside = (
        rebuilt
        + b"("
        + storage
        + number(-1000)
        + b"("
        + number(1_000_000)
        + b"t("
        + number(1)
        + b"ttb"
    )
    zeros = b"\0" * (1 << 26)
    damaged = bytearray(archive(b"\x80\x02}."))
    damaged[6] |= 1  # says that it is encrypted
    damaged[damaged.find(b"PK\x01\x02") + 8] |= 1
    return {
        "bytearray8.pt": b"\x80\x05\x96" + struct.pack("<Q", 20 << 30) + b".",
        "doubling_text.pt": archive(doubling + b"."),
        "nested_key.pt": archive(nested),
        "module_graph.pt": archive(
            graph + b".", constants__pkl=b"\x80\x02).", **{"constants.pkl": b"\x80\x02)."}
        ),
        "build_after_check.pt": archive(
            b"\x80\x02}(" + text("w") + outside + b"u.", data__0=b"\0" * 16
        ),
        "byteorder_bomb.pt": archive(b"\x80\x02}.", byteorder=zeros),
        "encrypted.pt": bytes(damaged),
    }


def tensors() -> dict[str, bytes]:
    def file(header: bytes, data: bytes = b"") -> bytes:
        return struct.pack("<Q", len(header)) + header + data

    one = b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[%s]}}'
    return {
        "deep.safetensors": file(b'{"a":' + b"[" * 100_000),
        "deep_metadata.safetensors": file(b'{"__metadata__":' + b"[" * 100_000),
        "infinite.safetensors": file(one % (b"1e999", b"0,4"), b"aaaa"),
        "negative.safetensors": file(one % (b"-1,-1", b"0,4"), b"aaaa"),
        "fraction.safetensors": file(one % (b"1.9", b"0.7,4.2"), b"aaaa"),
        "digits.safetensors": file(one % (b"9" * 5000, b"0,4"), b"aaaa"),
        "twice.safetensors": file(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            b"aaaa",
        ),
    }


def pictures() -> dict[str, bytes]:
    row, tile = zlib.compressobj(9), bytearray()
    for _ in range(20):
        tile += row.compress(b"\0" * 1_000_000)
    tile += row.flush()
    tags = [
        (256, 16),
        (257, 16),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (284, 1),
        (322, 30_000),
        (323, 30_000),
        (324, 8),
        (325, len(tile)),
    ]
    directory = (
        struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags)
        + b"\0" * 4
    )
    out = io.BytesIO()
    Image.new("L", (4096, 4096)).save(out, "JPEG", progressive=True, quality=1)
    jpeg = out.getvalue()
    last_scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return {
        "tile.tif": b"II*\0" + struct.pack("<I", 8 + len(tile)) + bytes(tile) + directory,
        "scans.jpg": jpeg[:-2] + last_scan * 400 + b"\xff\xd9",
        "comments.ppm": b"P3\n100 100\n255\n" + b"#a\n" * 1_000_000 + b"1 " * 30_000,
    }


def tables() -> dict[str, bytes]:
    good = {"path": "a", "status": "ok", "label": "x", "probability": 0.5}
    lines = {
        "deep": '{"path":' + "[" * 100_000,
        "label_number": json.dumps({**good, "label": 5}),
        "path_list": json.dumps({**good, "path": ["a"]}),
        "huge": json.dumps(good).replace("0.5", "1e999"),
        "digits": json.dumps(good).replace("0.5", "9" * 5000),
        "surrogate": json.dumps({**good, "path": "\ud800"}),
    }
    made = {f"{key}.jsonl": (line + "\n").encode() for key, line in lines.items()}
    made["provenance_null.json"] = b'{"version":1,"results":[],"provenance":null}'
    made["long_cell.csv"] = b"path,status,label,probability\n" + b"a" * 200_000 + b",ok,x,0.5\n"
    made["combining.txt"] = ("dog\nA" + "\u0301\u0316" * 50_000 + "\n").encode()
    return made


def tars() -> dict[str, bytes]:
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(jpeg, "JPEG")

    def tar(**members: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as t:
            for key, data in members.items():
                member = tarfile.TarInfo(key.replace("_", "."))
                member.size = len(data)
                t.addfile(member, io.BytesIO(data))
        return out.getvalue()

    made = {
        f"caption_{i}.tar": tar(**{"0_jpg": jpeg.getvalue(), "0_json": data})
        for i, data in enumerate([b"5", b'"caption"', b'["caption"]', b"[" * 100_000])
    }
    sparse = bytearray(512)
    sparse[:5], sparse[100:108], sparse[108:124] = b"0.txt", b"0000644\0", b"0000000\0" * 2
    sparse[124:136], sparse[136:148], sparse[156:157], sparse[257:265] = (
        b"%011o\0" % 0,
        b"%011o\0" % 0,
        b"S",
        b"ustar  \0",
    )
    sparse[386:410] = (b"%011o\0" % 0) * 2
    sparse[483:495] = b"\x80" + (6 << 30).to_bytes(11, "big")
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    made["sparse_caption.tar"] = bytes(sparse) + tar(**{"0_jpg": jpeg.getvalue()})
    return made


@functools.cache
def hostile_files() -> dict[str, bytes]:
    """Return all of them by name."""
    files: dict[str, bytes] = {}
    for group in (pickles, tensors, pictures, tables, tars):
        files |= group()
    # In the tests a sparse file stands for it, of a few kilobytes on the disk.
    files["sparse_big.tif"] = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 40)
    return files
