"""What a run costs, by a formula: pictures, pace, prices in; hours, requests, bytes, money out.

    python examples/fleet/sums.py
    python examples/fleet/sums.py --pictures 5e7 --per-second 900 --gpu-hour 2.5

The defaults are assumptions to be replaced: a pace from ``clipcli batch classify --plan`` on the
machine in question, and prices from the bill.
"""

from __future__ import annotations

import argparse

HOUR_S = 3600


def main() -> None:
    """Print the sums."""
    options = argparse.ArgumentParser(description="What a run costs.")
    number = {"type": float, "metavar": "N"}
    options.add_argument("--pictures", default=1e9, **number)
    options.add_argument("--kilobytes", default=50, help="of a picture", **number)
    options.add_argument("--per-second", default=300, help="pictures, a GPU", **number)
    options.add_argument("--decode-ms", default=5, help="of a core, a picture", **number)
    options.add_argument("--gpus", default=16, **number)
    options.add_argument("--shard", default=10_000, help="pictures", **number)
    options.add_argument("--row-bytes", default=150, help="of output, a picture", **number)
    options.add_argument("--gpu-hour", default=0.80, help="dollars", **number)
    options.add_argument("--get", default=0.0004, help="dollars for 1,000 requests", **number)
    options.add_argument("--put", default=0.005, help="dollars for 1,000 requests", **number)
    options.add_argument("--gb-month", default=0.023, help="dollars", **number)
    options.add_argument("--block-mb", default=5, help="of a tar, a request", **number)
    given = options.parse_args()

    gpu_hours = given.pictures / given.per_second / HOUR_S
    shards = given.pictures / given.shard
    read_gb = given.pictures * given.kilobytes / 1e6
    gets = read_gb * 1e3 / given.block_mb
    written_gb = given.pictures * given.row_bytes / 1e9
    requests = gets / 1000 * given.get + shards / 1000 * given.put
    one_by_one = given.pictures / 1000 * given.get
    compute = gpu_hours * given.gpu_hour
    lines = (
        ("GPU-hours", f"{gpu_hours:,.0f}", f"{compute:,.0f} $"),
        (f"hours, {given.gpus:g} GPUs", f"{gpu_hours / given.gpus:,.1f}", ""),
        ("cores a GPU", f"{given.per_second * given.decode_ms / 1000:.1f}", "to decode"),
        ("MB/s a GPU", f"{given.per_second * given.kilobytes / 1000:.1f}", "from the store"),
        ("requests", f"{gets + shards:,.0f}", f"{requests:,.0f} $"),
        ("one object each", f"{given.pictures:,.0f}", f"{one_by_one:,.0f} $"),
        ("GB written", f"{written_gb:,.0f}", f"{written_gb * given.gb_month:,.2f} $ a month"),
        ("shards", f"{shards:,.0f}", f"{given.shard / given.per_second:.0f} s of a GPU each"),
    )
    print(f"{given.pictures:,.0f} pictures at {given.per_second:g} a second and GPU")
    for name, figure, more in lines:
        print(f"{name:16}{figure:>14}   {more}".rstrip())


if __name__ == "__main__":
    main()
