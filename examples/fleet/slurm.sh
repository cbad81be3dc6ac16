#!/usr/bin/env bash
#SBATCH --job-name=clipcli
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# sbatch slurm.sh: a Ray over the machines of the job, for as long as it runs. A job that was cut
# off by its time, or put back into the queue, goes on where it was.
set -euo pipefail
# shellcheck source=/dev/null
source "$HOME/clipcli/bin/activate" # on a disk that all machines share, as are the paths below
port=6379
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')
export RAY_USAGE_STATS_ENABLED=0

srun --nodes=1 --ntasks=1 -w "$head" --overlap \
  ray start --head --node-ip-address="$address" --port="$port" --block &
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
    --exclude="$head" --overlap ray start --address="$address:$port" --block &
  sleep 20
fi

srun --nodes=1 --ntasks=1 -w "$head" --overlap \
  clipcli batch classify "$SCRATCH/data/shard-{0000..9999}.tar" \
  --labels animals --model "$SCRATCH/models/ViT-L-14" --into "$SCRATCH/out" \
  --ray "$address:$port" --workers 1: --gpus-per-worker 1
