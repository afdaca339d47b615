"""`python -m benchmarks.operators`: what one step of each recipe calls, beside PEFT LoRA's.

A step with many operators is bound by the CPU that launches them. Their number is the same without
a GPU, where a small model in bfloat16 stands for the large one. On a GPU the time in which kernels
run is beside that of the step, and the result's file lists the largest.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.model import Case as Model
from benchmarks.operator_profile import profile_step
from benchmarks.provenance import SEED, provenance
from benchmarks.recipes import CASES, Case, cases
from benchmarks.table import RESULTS
from benchmarks.timing import clock_for

# As many tokens, in units of the widths, as a large model has in the benchmark of recipes.
SMALL = Model(dtype="bf16", layers=2, width=192, hidden=256, tokens=128)
HEADS = ("case", "form", "operators", "step, ms", "launches", "kernels, ms")


def profile_cases(cases: Iterable[Case], device: torch.device) -> Iterator[dict[str, Any]]:
    """Yield a row for each form of each case; the step's time is the median of five."""
    clock = clock_for(device)
    for case in cases:
        for form, candidate in case.candidates(device).items():
            step = clock.prepare(candidate.step, syncs=True)
            times = sorted(clock.seconds(step) for _ in range(5))
            found = vars(profile_step(step, device))
            yield {"case": case.name, "form": form, "step_ms": times[2] * 1000, **found}


def as_text(rows: Iterable[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(HEADS)} |", "| --- " * len(HEADS) + "|"]
    for row in rows:
        on_device = (row["launches"], f"{row['kernel_ms']:.1f}") if row["launches"] else ("-", "-")
        cells = [row["case"], row["form"], row["operators"], f"{row['step_ms']:.1f}", *on_device]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    given = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(SEED)
    chosen = CASES["gpu"] if device.type == "cuda" else cases(SMALL, rank=8)
    rows = list(profile_cases(chosen, device))
    record = {"benchmark": "operators"} | provenance(device) | {"rows": rows}
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"operators-{device.type}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(as_text(rows))


if __name__ == "__main__":
    main()
