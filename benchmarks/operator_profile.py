"""The operators of a step, and the kernels that run for it on a GPU."""

import sys
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.timing import Step

LARGEST = 15
"""The kernels of a form that are listed one by one."""


@dataclass(frozen=True, kw_only=True)
class StepProfile:
    """What one step calls.

    Attributes:
        operators: calls of ATen operators that compute; views are none.
        launches: kernels and copies that run on the device; 0 on a CPU.
        kernel_ms: the sum of their times. Where the step takes longer, the device waits.
        largest: those with most time, as (name, calls, ms).
    """

    operators: int
    launches: int = 0
    kernel_ms: float = 0.0
    largest: list[tuple[str, int, float]]

    def get_facts(self) -> dict[str, float]:
        """Return the numbers, for `Row.facts`: the device's where it has any."""
        numbers = {name: value for name, value in asdict(self).items() if name != "largest"}
        return numbers if self.launches else {"operators": self.operators}


class OperatorCount(TorchDispatchMode):
    """Counts the operators that run inside it, those of backward too."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators += not func.is_view
        return func(*args, **(kwargs or {}))


def profile_step(step: Step, device: torch.device) -> StepProfile:
    """Run a step, which has run before, once on a CPU and twice on a GPU."""
    with OperatorCount() as count:
        step()
    if device.type != "cuda":
        return StepProfile(operators=count.operators, largest=[])
    kernels = []
    try:
        with profile(activities=[ProfilerActivity.CUDA]) as recorded:
            step()
            torch.cuda.synchronize()
        rows: list[Any] = list(recorded.key_averages())
        spent = [(row.key[:90], row.count, row.self_device_time_total / 1000) for row in rows]
        kernels = sorted((each for each in spent if each[2] > 0), key=lambda each: -each[2])
    except RuntimeError as error:  # as where the driver gives no counters: the times are measured
        print(f"no profile: {error}", file=sys.stderr)
    return StepProfile(
        operators=count.operators,
        launches=sum(calls for _, calls, _ in kernels),
        kernel_ms=sum(ms for *_, ms in kernels),
        largest=kernels[:LARGEST],
    )
