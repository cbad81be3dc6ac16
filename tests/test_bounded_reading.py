"""Whatever opens, reads or parses a file here is a bounded reader, or an exception by name.

A new call fails here. Read the file by ``clipcli.files``, ``strict_json`` or ``strict_csv``; or,
where a library must do it, say in the table what bounds it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import clipcli

PACKAGE = Path(clipcli.__file__).parent
PARSERS = {
    *("json.load", "json.loads", "csv.reader", "csv.DictReader", "zipfile.ZipFile"),
    *("tarfile.open", "tarfile.TarFile", "sqlite3.connect", "gzip.open", "gzip.GzipFile"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "pickletools.genops", "np.load"),
    *("torch.load", "yaml.load", "yaml.safe_load", "yaml.parse", "tomllib.load", "tomllib.loads"),
    *("np.fromfile", "np.memmap", "json.JSONDecoder", "os.open", "os.read", "mmap.mmap"),
    *("io.open", "open", "Path.open", "torch.from_file", "torch.UntypedStorage.from_file"),
}
METHODS = {"open", "read_text", "read_bytes", "readlines", "raw_decode"}
UNBOUNDED = {"read", "readline"}  # where no argument says how much

# The modules that bound: everything else goes by them.
READERS = {"files", "strict_json", "strict_csv"}
# Elsewhere: which call, and what bounds it. Keys are "module call".
OURS = "opens a model or engine, whose files are read by bounded readers"
WRITES = "writes, or opens the null device"
STREAM = "reads line by line or block by block, each of bounded length"
TRAINED = "data that the user has packed for training; numpy runs nothing in it"
WHOLE = "a regular file whose length was looked at, mapped and not read"
EXCEPTIONS = {
    "cache.device_choice open": "asks for so many bytes of the system's own files",
    "cache.schema sqlite3.connect": "a regular file in a folder of the user's alone; rows checked",
    "cli.app os.open": WRITES,
    "cli.cache open": OURS,
    "cli.models open": OURS,
    "cli.settings tomllib.loads": "of files.read_text; what it raises is caught",
    "cli.review open": "a page in the user's browser, which reads nothing here",
    "cli.undo read()": "Journal.read, which looks at the length first",
    "encoder.check_images open": "a picture of ours, carried in the package",
    "encoder.numpy_text.tensors np.memmap": WHOLE,
    "encoder.onnx.export pickle.load": "from the process that started this one",
    "encoder.openvino.export pickle.load": "from the process that started this one",
    "encoder.torch.tensors open": WHOLE,
    "encoder.torch.tensors torch.from_file": WHOLE,
    "images.files os.open": "open_regular of pictures; decoders are bounded in images.limits",
    "images.lists open": STREAM,
    "images.tars gzip.GzipFile": STREAM,
    "images.tars tarfile.open": "a stream; headers are bounded, and members by who reads them",
    "labels.yaml_nodes json.JSONDecoder": "of text that json.loads has accepted",
    "labels.yaml_nodes json.loads": "grammar only; length, depth and numbers bounded around it",
    "labels.yaml_nodes raw_decode": "of text that json.loads has accepted",
    "labels.yaml_nodes yaml.parse": "events alone, counted, and nothing is made of them",
    "models.fingerprint mmap.mmap": "the bundled model's own files, hashed and not read",
    "models.formats.archive open": "a member, read up to a bound",
    "models.formats.archive zipfile.ZipFile": "the bounded reader of archives itself",
    "models.formats.unpickle pickletools.genops": "the bounded reader of pickles itself",
    "models.hub.download open": WRITES,
    "models.locators.grounding_keys open": "tensors that are compared block by block",
    "models.resolve open": OURS,
    "models.tokenizer.vocabulary gzip.GzipFile": "read up to a bound",
    "output.html.page read_text": "a template of ours, carried in the package",
    "output.reader open": STREAM,
    "output.vectors zipfile.ZipFile": WRITES,
    "pipeline.reader read()": "a picture that a tar or table has handed over, bounded there",
    "pipeline.archives read()": "a member whose size was looked at",
    "pipeline.remote open": "an object store's stream, read in blocks",
    "pipeline.session open": OURS,
    "process open": "the system's own file",
    "standard_streams os.open": WRITES,
    "training.checkpoint torch.load": "this run's own state, weights only; whatever it raises",
    "training.config_file yaml.safe_load": "of files.read_text; plain data, then read strictly",
    "training.data.packed np.load": TRAINED,
    "training.data.packed open": TRAINED,
    "training.data.pair open": "a picture at a place in a tar whose length was looked at",
    "training.data.tables open": STREAM,
    "training.data.webdataset tarfile.open": "headers alone, each of bounded length",
    "training.log open": STREAM,
    "training.mini np.load": TRAINED,
    "training.mini open": TRAINED,
    "training.text.corpus np.load": TRAINED,
    "workflows.audit.copies open": "copies that are compared block by block",
    "workflows.audit.spooled_rows np.memmap": "a temporary file of its own",
    "workflows.diff.side_by_side json.loads": "of what it has written itself",
    "workflows.diff.side_by_side sqlite3.connect": "a new temporary database of its own",
    "workflows.doctor open": OURS,
    "workflows.explain.writers zipfile.ZipFile": WRITES,
    "workflows.fleet.splitting tarfile.open": "headers alone, each of bounded length",
    "pipeline.locating.run read()": "a picture in memory, whose source has bounded it",
    "workflows.sorting.continuous read()": "Journal.read, which looks at the length first",
    "workflows.journal.filestate open": "a regular file, read block by block",
    "workflows.journal.filestate os.open": "a regular file, or a folder to be synchronised",
    "workflows.journal.journal open": "Journal.read, which looks at the length first",
    "workflows.journal.journal os.open": "a regular file in clipcli's own folder, or one named",
    "workflows.journal.journal read()": "after a look at the length",
    "workflows.journal.replacing os.open": WRITES,
    "workflows.journal.transfer os.open": WRITES,
    "workflows.journal.transfer os.read": "block by block",
    "workflows.watch.ledger open": STREAM,
}


def test_every_call_that_reads_is_bounded_or_has_a_reason() -> None:
    found = {key for path in sorted(PACKAGE.rglob("*.py")) for key in calls_of(path)}

    assert sorted(found - EXCEPTIONS.keys()) == []
    assert sorted(EXCEPTIONS.keys() - found) == []  # what is gone needs no reason


def calls_of(path: Path) -> Iterator[str]:
    """Yield the calls of a module that read, or parse what was read."""
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    if module in READERS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Call) and (name := reading_call(node)):
            yield f"{module} {name}"


def reading_call(call: ast.Call) -> str | None:
    name = ast.unparse(call.func) if isinstance(call.func, ast.Name | ast.Attribute) else ""
    last = name.rpartition(".")[2]
    if name in PARSERS:
        return None if name == "open" and _writes(call) else name
    if last in METHODS and "." in name:
        is_path = last == "open"
        return None if is_path and _writes(call) else last
    if last in UNBOUNDED and "." in name and not call.args and not call.keywords:
        return f"{last}()"
    return None


def _writes(call: ast.Call) -> bool:
    """Tell whether a file is opened for writing alone."""
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    words += [word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)]
    return any(word in {"w", "wb", "x", "xb", "a", "ab"} for word in words)
