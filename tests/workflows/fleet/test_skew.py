"""Shards of very different lengths keep all workers busy to the end; time is arithmetic here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipcli.images.find import FindReport
from clipcli.pipeline.archives import TarPart, tar_pictures
from clipcli.workflows.fleet.plan import FleetPlan
from clipcli.workflows.fleet.progress import FleetBudget
from clipcli.workflows.fleet.run import FleetRun
from clipcli.workflows.fleet.shard import Shard
from clipcli.workflows.fleet.splitting import size_for
from clipcli.workflows.fleet.store import PartStore, open_store
from clipcli.workflows.fleet.survey import Sources, survey
from clipcli.workflows.fleet.worker import ShardOutcome
from tests.fakes import FakeEncoder
from tests.workflows.fleet.conftest import parts_of
from tests.workflows.fleet.test_run import write_part

MakeTar = Callable[..., Path]
N_WORKERS = 2
LARGE, SMALL, N_SMALL = 5000, 20, 50


class Timed:
    """Workers that take a second for each member, on a clock of their own."""

    def __init__(self, store: PartStore, plan: FleetPlan) -> None:
        self._store, self._plan = store, plan
        self._busy: list[tuple[float, Shard]] = []  # until when
        self.now = 0.0

    def start(self) -> None: ...

    def n_free(self, n_waiting: int) -> int:
        return min(n_waiting, N_WORKERS - len(self._busy))

    def submit(self, shard: Shard) -> None:
        # A tar that was not looked into has no number; its bytes tell.
        self._busy.append((self.now + (shard.n_units or shard.n_bytes // 1024), shard))

    def finished(self) -> list[ShardOutcome]:
        self._busy.sort(key=lambda one: one[0])
        self.now, shard = self._busy.pop(0)
        write_part(self._store, self._plan, shard)
        return [ShardOutcome(shard.id, "w", n=10)]

    def n_working(self) -> int:
        return N_WORKERS

    def n_pictures(self) -> int:
        return 0

    def close(self) -> None: ...


PICTURE = b"\x89PNG" + bytes(500)  # a member of a kilobyte, with its header


def balanced_s(n: int) -> float:
    return n / N_WORKERS


def test_one_tar_of_thousands_beside_many_small_ones_takes_no_longer_than_equal_ones(
    make_tar: MakeTar, tmp_path: Path
) -> None:
    large = make_tar("large.tar", {f"{i}.png": PICTURE for i in range(LARGE)})
    small = [
        make_tar(f"{i}.tar", {f"{j}.png": PICTURE for j in range(SMALL)}) for i in range(N_SMALL)
    ]
    plan = planned([*small, large])
    store = open_store(str(tmp_path / "out"))
    workers = Timed(store, plan)

    FleetRun(store, plan, FleetBudget(), print).do(lambda: workers)

    assert len(plan.shards) == N_SMALL + LARGE // 100
    balanced = balanced_s(LARGE + SMALL * N_SMALL)
    assert balanced <= workers.now <= 1.3 * balanced


def planned(paths: list[Path], shard_size: int | None = None) -> FleetPlan:
    found = survey(Sources(tuple(map(str, paths)), shard_size=shard_size))
    return FleetPlan({"task": "none"}, tuple(found.shards))


@pytest.mark.parametrize(
    ("n_pictures", "expected"),
    [(1, 100), (6_000, 100), (12_799, 100), (12_800, 200), (100_000, 1000), (10**9, 10_000)],
)
def test_a_shard_is_a_64th_of_all_or_less(n_pictures: int, expected: int) -> None:
    assert size_for(n_pictures) == expected


def test_row_groups_are_put_together_to_shards_of_the_size_left_out(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": [PICTURE] * 460})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=40)

    shards = planned([tmp_path / "a.parquet"]).shards

    # 40 rows twice, since three of them would be more than 100; the last group has 20.
    assert [shard.groups for shard in shards] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)]
    assert [shard.n_units for shard in shards] == [80, 80, 80, 80, 80, 60]
    assert [shard.first for shard in shards] == [0, 80, 160, 240, 320, 400]


def test_pieces_begin_where_members_do_whatever_the_size(make_tar: MakeTar, tmp_path: Path) -> None:
    assert tmp_path
    names = [f"{'long' * (i % 40)}{i}.png" for i in range(420)]  # above 100 bytes: two headers
    tar = make_tar("a.tar", dict.fromkeys(names, PICTURE))

    shards = planned([tar]).shards

    found = []
    for shard in shards:
        with tar.open("rb") as stream:
            stream.seek(shard.offset)
            part = TarPart(shard.n_units or 0, shard.is_end)
            found += [one.path for one in tar_pictures("t", stream, FindReport(), part)]
    assert found == [f"t::{name}" for name in names]
    assert [shard.n_units for shard in shards] == [100, 100, 100, 100, 20]
    assert sum(shard.n_bytes for shard in shards) == tar.stat().st_size
    exact = planned([tar], shard_size=100).shards
    assert [shard.place for shard in exact] == [shard.place for shard in shards]


def test_a_tar_in_a_store_is_looked_into_where_it_is_most_of_all(
    make_tar: MakeTar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setattr("clipcli.workflows.fleet.splitting.LARGE_REMOTE_BYTES", 200_000)
    place = f"memory://{tmp_path.name}"
    lengths = {"large": 900, "middle": 210, "small": 20}  # of 1.2 MB: 82, 19 and 2 in 100
    for name, length in lengths.items():
        tar = make_tar(f"{name}.tar", {f"{i}.png": PICTURE for i in range(length)})
        with fsspec.open(f"{place}/{name}.tar", "wb") as file:
            file.write(tar.read_bytes())

    shards = survey(Sources(tuple(f"{place}/{name}.tar" for name in lengths))).shards

    found = [(shard.url.rpartition("/")[2], shard.n_units) for shard in shards]
    large = [("large.tar", 100)] * 9
    assert found == [*large, ("middle.tar", 100), ("middle.tar", 100), ("middle.tar", 10),
                     ("small.tar", None)]  # fmt: skip


def test_a_picture_more_divides_a_folder_as_before(
    batch: Callable[..., int], tmp_path: Path, fake_model: FakeEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("clipcli.workflows.fleet.splitting.SIZES", (4, 8))
    monkeypatch.setattr("clipcli.workflows.fleet.splitting.LEAST_SHARDS", 2)
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(15):  # one more, and shards of 8 would do
        Image.new("RGB", (8, 8), (i * 9, 0, 0)).save(folder / f"{i:02}.png")
    assert batch(folder) == 0
    Image.new("RGB", (8, 8), (250, 0, 0)).save(folder / "15.png")
    fake_model.batches.clear()

    code = batch(folder)

    assert code == 0
    assert sum(fake_model.batches) == 4  # the last list alone
    assert len(parts_of(tmp_path / "out")) == 4
