#!/usr/bin/env bash
# Runs benchmarks/gpu_check.py on a bare machine: bash benchmarks/gpu_check.sh PACK OUT [STEPS ...]
# PACK is the folder that tools/pack_gpu.py filled; OUT is for the results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pack=$(realpath "$1") out=$2
shift 2
site=$(mktemp -d)
python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$pack"/wheels/*.whl
export PYTHONPATH="$PWD/src:$PWD:$site" COTERIE_HOME="$pack/home" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=4
COTERIE_COMMIT=$(cat "$pack/commit.txt")
export COTERIE_COMMIT
python3 -m benchmarks.gpu_check "$out" ${1:+--only "$@"}
