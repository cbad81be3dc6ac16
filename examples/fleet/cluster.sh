#!/usr/bin/env bash
# A cluster for one run: rented, used, given back. --workers 0:16 waits for the first machine.
set -euo pipefail
cd "$(dirname "$0")"
ray up --yes cluster.yaml
trap 'ray down --yes cluster.yaml' EXIT
ray exec cluster.yaml "clipcli batch classify 's3://my-bucket/shard-{0000..9999}.tar' \
  --labels animals --model ViT-L/14 --into s3://my-bucket/out \
  --ray auto --workers 0:16 --cpus-per-worker 8 --gpus-per-worker 1 --max-failed-shards 5"
ray exec cluster.yaml "clipcli batch status s3://my-bucket/out"
