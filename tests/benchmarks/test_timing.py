"""The timer's arithmetic and the count of saved bytes, with clocks and layers worked by hand."""

import gc
from collections.abc import Iterator

import torch

from benchmarks.timing import Candidate, Clock, CpuClock, Ratio, Step, Times, interleaved


class _Script(Clock):
    """Calls each step and reads the time off a list."""

    def __init__(self, seconds: list[float]) -> None:
        self.left: Iterator[float] = iter(seconds)

    def seconds(self, step: Step) -> float:
        step()
        return next(self.left)


def _candidate(calls: list[str], name: str) -> Candidate:
    def forward() -> torch.Tensor:
        calls.append(name)
        return torch.zeros(())

    return Candidate(forward=forward, wanted=())


def test_order_is_rotated_and_ratios_are_taken_within_a_round() -> None:
    calls: list[str] = []
    candidates = {name: _candidate(calls, name) for name in "ab"}
    # Rounds: a b | b a | a b, each b three times its a, though the machine slows down.
    clock = _Script([1, 3, 30, 10, 100, 300])
    times = interleaved(candidates, lambda each: each.infer, clock=clock, rounds=3)
    assert "".join(calls) == "ab" + "abbaab"  # warm-up first
    assert times.ratio("b", "a") == Ratio(median=3, lower=3, upper=3)
    assert times.median_ms("a") == 10_000
    assert gc.isenabled()


def test_quartiles() -> None:
    times = Times({"base": [1.0] * 5, "mine": [5.0, 1.0, 4.0, 2.0, 3.0]})
    # Sorted 1 2 3 4 5: median 3; one of five is a quarter, rounded down, from either end.
    assert times.ratio("mine", "base") == Ratio(median=3, lower=2, upper=4)


def test_saved_bytes_leave_out_input_and_weights_and_count_a_storage_once() -> None:
    x = torch.randn(8, 4, requires_grad=True)
    weight = torch.randn(4, 4, requires_grad=True)

    def forward() -> torch.Tensor:
        hidden = (x @ weight).exp()  # exp keeps its answer, 8 * 4 * 4 bytes
        return hidden[:4] @ hidden[4:].t()  # keeps two views of the same storage

    candidate = Candidate(forward=forward, wanted=(x, weight), upstream=torch.ones(4, 4))
    assert candidate.saved_bytes() == 128
    candidate.step()


def test_cpu_clock_measures_a_prepared_step() -> None:
    clock = CpuClock()
    step = clock.prepare(lambda: sum(range(1000)), syncs=False)
    assert clock.seconds(step) >= 0
