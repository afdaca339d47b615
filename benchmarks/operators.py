"""`python -m benchmarks.operators`: what one step of each recipe calls, beside PEFT LoRA's.

A step with many operators is bound by the CPU that launches them. Their number is the same without
a GPU, where a small model in bfloat16 stands for the large one. On a GPU the time in which kernels
run is beside that of the step: the rest is waiting for launches.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.model import Case as Model
from benchmarks.provenance import SEED, provenance
from benchmarks.recipes import CASES, Case, cases
from benchmarks.table import RESULTS
from benchmarks.timing import Candidate, clock_for

# As many tokens, in units of the widths, as a large model has in the benchmark of recipes.
SMALL = Model(dtype="bf16", layers=2, width=192, hidden=256, tokens=128)
LARGEST = 15
"""The kernels of a form that are listed one by one."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One step of one form.

    Attributes:
        operators: calls of ATen operators that compute; views are none.
        step_ms: the time of a step, median of five.
        launches: kernels and copies that run on the device; 0 on a CPU.
        kernel_ms: the sum of their times.
        largest: those with most time, as (name, calls, ms).
    """

    case: str
    form: str
    operators: int
    step_ms: float
    launches: int
    kernel_ms: float
    largest: list[tuple[str, int, float]]


class OperatorCount(TorchDispatchMode):
    """Counts the operators that run inside it, those of backward too."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators += not func.is_view
        return func(*args, **(kwargs or {}))


def profile_step(case: str, form: str, candidate: Candidate, device: torch.device) -> Profile:
    clock = clock_for(device)
    step = clock.prepare(candidate.step, syncs=True)
    times = sorted(clock.seconds(step) for _ in range(5))
    with OperatorCount() as count:
        step()
    kernels: list[tuple[str, int, float]] = []
    if device.type == "cuda":
        with profile(activities=[ProfilerActivity.CUDA]) as recorded:
            step()
            torch.cuda.synchronize()
        rows: list[Any] = list(recorded.key_averages())
        spent = [(row.key[:90], row.count, row.self_device_time_total / 1000) for row in rows]
        kernels = sorted((each for each in spent if each[2] > 0), key=lambda each: -each[2])
    return Profile(
        case=case,
        form=form,
        operators=count.operators,
        step_ms=times[2] * 1000,
        launches=sum(calls for _, calls, _ in kernels),
        kernel_ms=sum(ms for *_, ms in kernels),
        largest=kernels[:LARGEST],
    )


def profile_cases(cases: Iterable[Case], device: torch.device) -> list[Profile]:
    return [
        profile_step(case.name, form, candidate, device)
        for case in cases
        for form, candidate in case.candidates(device).items()
    ]


def as_text(profiles: Iterable[Profile]) -> str:
    heads = "| case | form | operators | step, ms | launches | kernels, ms |"
    lines = [
        f"| {each.case} | {each.form} | {each.operators} | {each.step_ms:.1f} | "
        f"{each.launches or '-'} | {f'{each.kernel_ms:.1f}' if each.launches else '-'} |"
        for each in profiles
    ]
    return "\n".join([heads, "| --- " * 6 + "|", *lines])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file")
    given = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(SEED)
    chosen = CASES["gpu"] if device.type == "cuda" else cases(SMALL, rank=8)
    profiles = profile_cases(chosen, device)
    record = {"benchmark": "operators"} | provenance(device)
    record["rows"] = [asdict(each) for each in profiles]
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"operators-{device.type}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(as_text(profiles))


if __name__ == "__main__":
    main()
