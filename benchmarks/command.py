"""The command line: measure, write one JSON file per benchmark, print ratios and targets."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import torch

from benchmarks.attention import Attention
from benchmarks.benchmark import Benchmark, Scale
from benchmarks.dense import Dense
from benchmarks.expert_parallel import ExpertParallel
from benchmarks.ffn import Ffn
from benchmarks.linear import Linear
from benchmarks.model import Model
from benchmarks.provenance import SEED, provenance
from benchmarks.recipes import Recipes
from benchmarks.serving import Serving
from benchmarks.table import RESULTS, as_table
from benchmarks.trainer import Trainer

BENCHMARKS = {
    each.name: each
    for each in (
        Linear(),
        Ffn(),
        Attention(),
        Model(),
        Recipes(),
        Trainer(),
        Dense(),
        ExpertParallel(),
        Serving(),
    )
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Ratios of coterie to its peers, measured in one process.",
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="few shapes, in minutes")
    parser.add_argument("--scale", choices=get_args(Scale), default="full", help="sizes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmarks {unknown}: allowed are {', '.join(BENCHMARKS)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name in given.names or BENCHMARKS:
        record = measure(
            BENCHMARKS[name], "quick" if given.quick else given.scale, device, given.out
        )
        print(as_table(record), flush=True)


def measure(
    benchmark: Benchmark, scale: Scale, device: torch.device, out: Path
) -> dict[str, object]:
    """Run one benchmark and write its result to `out`/<name>-<device>.json."""
    torch.manual_seed(SEED)
    rows = []
    for row in benchmark.rows(scale, device):
        rows.append(row)
        print(f"{row.case}: {row.form}, {row.step_ms:.1f} ms", file=sys.stderr)
    targets = [asdict(each) | {"verdict": each.verdict} for each in benchmark.targets(rows)]
    record = {"benchmark": benchmark.name, "scale": scale} | provenance(device)
    record |= {"targets": targets, "rows": [asdict(row) for row in rows]}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{benchmark.name}-{device.type}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record
