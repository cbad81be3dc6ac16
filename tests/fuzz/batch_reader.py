"""What a batch has written, one of its files changed, as several commands read it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# By what it is called here: the batch that it belongs to, and its name there.
PLACES = {
    "batch-plan.json": ("classify", "_plan.json"),
    "batch-shards.parquet": ("classify", "_shards.parquet"),
    "batch-success.json": ("classify", "_SUCCESS"),
    "batch-failed.json": ("classify", "failed/00001.json"),
    "batch-rows.parquet": ("classify", "data/part-00000.parquet"),
    "batch-vectors.parquet": ("embed", "data/part-00000.parquet"),
}
TRUTH = "batch-truth.csv"


def read_a_batch(path: Path) -> None:
    """Put a file into the place of a sound one, and read the batch."""
    from clipcli.images.find import FindReport
    from clipcli.images.key_truth import KeyTruth, read_key_truth
    from clipcli.output.reader import read_results
    from clipcli.pipeline.batches import find_batch
    from clipcli.pipeline.sources import read_source
    from clipcli.workflows.evaluation.rows import RowSource, evaluate_rows

    if path.name == TRUTH:
        read_key_truth(path).place_of("a.tar::cat/1.jpg")
        return
    task, place = PLACES[path.name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for name, content in sound(task).items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(content)
        (out / place).write_bytes(path.read_bytes())
        if task == "embed":
            list(read_source(folder, FindReport()))
            return
        list(read_results(folder).entries)
        evaluate_rows(RowSource.of(folder, find_batch(folder)), KeyTruth(), None, lambda: None)


def batch_seeds() -> Iterator[tuple[str, bytes]]:
    for name, (task, place) in PLACES.items():
        yield name, sound(task)[place]
    yield TRUTH, b"key,label,split\ncat/1.jpg,cat,train\na.tar::dog/2.jpg,dog,\n"


@cache
def sound(task: str) -> dict[str, bytes]:
    """Return the files of a small batch with two shards, of which one has failed."""
    import numpy as np

    from clipcli.output.result_table import ParquetDocument
    from clipcli.output.vectors import VectorDocument
    from clipcli.pipeline.embed import Embedded
    from clipcli.results import Classified, LabelScore, Provenance, Skipped
    from clipcli.workflows.fleet.part import KEY, PartFacts
    from clipcli.workflows.fleet.plan import FleetPlan
    from clipcli.workflows.fleet.shard import Shard, to_table

    shards = tuple(Shard(i, "a.tar", "tar", "e", first=i) for i in range(2))
    plan, sink = FleetPlan({"task": task}, shards), io.BytesIO()
    facts = PartFacts(plan.hash, "e", 3, 1).to_json()
    skipped = Skipped("a.tar::cat/3.jpg", "truncated JPEG")
    if task == "classify":
        document = ParquetDocument(sink)
        for key, label in (("cat/1.jpg", "cat"), ("dog/2.jpg", "cat")):
            top = (LabelScore(label, 0.75, 0.25), LabelScore("dog", 0.25, 0.125))
            document.write(Classified(f"a.tar::{key}", top))
        document.write(skipped)
        document.note(KEY, facts)
        kind = ("cpu", "fp32", "fp32", False, 2, 0.0, "softmax", 100.0)
        document.finish(Provenance("m", "f" * 64, "l", "h", (), *kind), None)  # type: ignore[arg-type]
    else:
        vectors = VectorDocument(sink, 4)
        vectors.write(Embedded("a.tar::cat/1.jpg", np.array([1, 0, 0, 0], np.float32)))
        vectors.write(skipped)
        vectors.note(KEY, facts)
        vectors.finish({"fingerprint": "f" * 64})
    counts = {"plan": plan.hash, "shards": 1, "failed": 1, "rows": 3}
    failure = {"shard": 1, "url": "a.tar", "reason": "damaged"}
    return {
        "_plan.json": json.dumps(plan.document()).encode(),
        "_shards.parquet": to_table(list(shards)),
        "_SUCCESS": json.dumps(counts).encode(),
        "failed/00001.json": json.dumps(failure).encode(),
        "data/part-00000.parquet": sink.getvalue(),
    }
