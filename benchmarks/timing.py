"""Interleaved timing of candidates, and the bytes that autograd saves for their backward pass.

Each round runs every candidate once, in an order that rotates from round to round; a ratio is
the median over the rounds of the ratio within a round, which cancels drift of the machine.
"""

import gc
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to compute something.

    Attributes:
        forward: the computation; its result is differentiated.
        wanted: the tensors whose gradients the backward pass computes.
        upstream: the gradient of the result; None for a scalar.
        fixed: further tensors that exist before the forward pass and are no saved activations:
            frozen weights, buffers, the input.
        syncs: whether it synchronises with the device, so that no CUDA graph can capture it.
    """

    forward: Callable[[], Tensor]
    wanted: tuple[Tensor, ...]
    upstream: Tensor | None = None
    fixed: tuple[Tensor, ...] = ()
    syncs: bool = False

    def step(self) -> None:
        """Run a forward and backward pass."""
        torch.autograd.grad(self.forward(), self.wanted, self.upstream, allow_unused=True)

    def infer(self) -> None:
        """Run a forward pass without gradients."""
        with torch.no_grad():
            self.forward()

    def saved_bytes(self) -> int:
        """Return the bytes of the distinct storages that a forward pass saves for backward."""
        known = {_storage(tensor) for tensor in (*self.wanted, *self.fixed)}
        saved: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            if _storage(tensor) not in known:
                saved[_storage(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        # The result must outlive the count, or its storages would be freed and reused.
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            result = self.forward()
        del result
        return sum(saved.values())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Clock(ABC):
    """Measures the time of a step on one kind of device."""

    def prepare(self, step: Step, *, syncs: bool) -> Step:
        """Warm up, and return the step to time in place of `step`."""
        step()
        return step

    @abstractmethod
    def seconds(self, step: Step) -> float: ...


class CpuClock(Clock):
    """CPU time of this process on one thread: other jobs on the machine do not count."""

    def prepare(self, step: Step, *, syncs: bool) -> Step:
        torch.set_num_threads(1)
        return super().prepare(step, syncs=syncs)

    def seconds(self, step: Step) -> float:
        start = time.process_time()
        step()
        return time.process_time() - start


class CudaClock(Clock):
    """Device time between two events; a step that never synchronises is a CUDA graph."""

    def prepare(self, step: Step, *, syncs: bool) -> Step:
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        here.wait_stream(aside)
        if syncs:
            return step
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay

    def seconds(self, step: Step) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000


def clock_for(device: torch.device) -> Clock:
    return CudaClock() if device.type == "cuda" else CpuClock()


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Median and quartiles over the rounds."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Times:
    """Seconds of every candidate, round by round."""

    seconds: Mapping[str, list[float]]

    def median_ms(self, name: str) -> float:
        return statistics.median(self.seconds[name]) * 1000

    def ratio(self, name: str, base: str) -> Ratio:
        """Return the time of `name` in units of the time of `base` in the same round."""
        pairs = zip(self.seconds[name], self.seconds[base], strict=True)
        ratios = sorted(mine / theirs for mine, theirs in pairs)
        quarter = len(ratios) // 4
        return Ratio(
            median=statistics.median(ratios), lower=ratios[quarter], upper=ratios[-1 - quarter]
        )


def interleaved(
    candidates: Mapping[str, Candidate],
    pick: Callable[[Candidate], Step],
    *,
    clock: Clock,
    rounds: int,
) -> Times:
    """Time what `pick` returns for each candidate: its `step` or its `infer`.

    CUDA graphs are used if none of the candidates synchronises: the launches that a graph saves
    would count for the others alone.
    """
    names = list(candidates)
    syncs = any(each.syncs for each in candidates.values())
    steps = {name: clock.prepare(pick(each), syncs=syncs) for name, each in candidates.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()  # or each round's collection passes over all modules
    try:
        for turn in range(rounds):
            gc.collect()
            for name in _rotated(names, turn):
                seconds[name].append(clock.seconds(steps[name]))
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
    return Times(seconds)


def _rotated(names: list[str], turn: int) -> Iterable[str]:
    start = turn % len(names)
    return names[start:] + names[:start]
