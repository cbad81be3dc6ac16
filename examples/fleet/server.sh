#!/usr/bin/env bash
# One server with several GPUs: a worker for each, which Ray keeps apart.
set -euo pipefail
shards='/data/shard-{0000..0999}.tar'
clipcli models pull ViT-L/14
clipcli batch classify "${1:-$shards}" --labels animals --model ViT-L/14 --into "${2:-/data/out}" \
  --ray local --workers 1: --gpus-per-worker 1
