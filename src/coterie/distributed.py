"""The processes of a distributed training run: ranks, barriers and collectives."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from tqdm.auto import tqdm

Made = TypeVar("Made")
LOST = ("Connection closed", "Connection reset", "Broken pipe", "timed out", "Timed out", "NCCL")
"""In the messages of gloo and NCCL about a process that has ended or does not answer."""


def get_rank() -> int:
    return int(os.environ.get("RANK", "0"))


def get_world_size() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_rank_zero() -> bool:
    """Return whether this is the process that writes files."""
    return get_rank() == 0


def print_message(text: str) -> None:
    """Print a line to standard error on rank 0, above a progress bar if there is one."""
    if is_rank_zero():
        tqdm.write(text, file=sys.stderr)


def is_initialized() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def init_distributed(device: torch.device) -> None:
    """Initialise the process group if there are several processes; Trainer then uses it."""
    if get_world_size() > 1 and not is_initialized():
        # A slow import that a single process does not need.
        from accelerate import PartialState

        PartialState(cpu=device.type == "cpu")


def barrier() -> None:
    """Wait until all processes have reached this call."""
    if is_initialized():
        distributed.barrier()


def average_gradients(module: nn.Module) -> None:
    """Average gradients over processes for a module that DistributedDataParallel does not wrap."""
    if is_initialized():
        for each in module.parameters():
            assert each.grad is not None
            all_reduce_sum(each.grad)
            each.grad /= get_world_size()


def all_reduce_sum(*tensors: Tensor) -> None:
    """Replace each tensor by its sum over all processes; no effect with one process."""
    if is_initialized():
        for each in tensors:
            distributed.all_reduce(each)


def broadcast_from_rank_zero(tensor: Tensor) -> None:
    """Replace a tensor by that of rank 0; no effect with one process."""
    if is_initialized():
        distributed.broadcast(tensor, src=0)


def is_true_anywhere(flag: bool) -> bool:
    """Return whether `flag` is True on any process."""
    return bool(compute_maximum(flag))


def compute_maximum(number: int) -> int:
    """Return the largest `number` of all processes."""
    if not is_initialized():
        return number
    found = torch.tensor(int(number), device=_get_device())
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
    return int(found)


def take_share(items: Sequence[Made]) -> Sequence[Made]:
    """Return this process's share of the items: those of each other process differ."""
    return items[get_rank() :: get_world_size()] if is_initialized() else items


def all_gather_object(value: Made) -> list[Made]:
    """Return the values of all processes in rank order: small, picklable and on the CPU."""
    if not is_initialized():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


class SharedError(ValueError):
    """An error that every process raises, so that one of them is enough to report it."""


def run_on_all(work: Callable[[], Made]) -> Made:
    """Run `work`, which does not communicate, on every process, and return this one's result.

    Raises ValueError on every process if `work` raises it on any, with the messages of all, so that
    none waits forever.
    """
    if not is_initialized():
        return work()
    result, raised = None, None
    try:
        result = work()
    except ValueError as error:
        raised = error
    found = all_gather_object(None if raised is None else str(raised))
    if messages := dict.fromkeys(each for each in found if each is not None):
        raise SharedError("\n".join(messages)) from raised
    return cast(Made, result)


def run_on_rank_zero(work: Callable[[], Made]) -> Made:
    """Run `work` on rank 0 while the others wait, and return its small result on every process.

    Raises ValueError on every process if `work` raises it.
    """
    mine = run_on_all(lambda: work() if is_rank_zero() else None)
    return cast(Made, all_gather_object(mine)[0])


@contextmanager
def explain_lost_process() -> Iterator[None]:
    """Raise ConnectionError, instead of the backend's error, if another process has ended."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not is_initialized() or not any(each in text for each in LOST):
            raise
        raise ConnectionError(
            f"process {get_rank()} of {get_world_size()} lost another one, which ended or does not "
            "answer: its own messages say why. Start all of them again, in training with "
            f"resume=True (--resume), which goes on at the last checkpoint ({text.splitlines()[0]})"
        ) from error


def assert_same_layers_across_ranks(layers: Iterable[str]) -> None:
    """Raise ValueError on every process if one recorded other layers, or in another order.

    The sums of routing losses would otherwise mix layers up, or wait for each other forever. One
    small collective a call; none with one process.
    """
    if not is_initialized():
        return
    names = list(layers)
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    # 62 bits and their negative: all are equal if the minima of both are.
    mine = int.from_bytes(digest[:8], "big") >> 2
    both = torch.tensor([mine, -mine], device=_get_device())
    distributed.all_reduce(both, op=distributed.ReduceOp.MIN)
    if both.sum():
        raise ValueError(
            f"the processes ran different layers with experts in this step; this one ran "
            f"{len(names)}, the last {names[-1] if names else None!r}. A host that leaves layers "
            "out at random (layerdrop) or a tower without media in one process does so: switch "
            "layerdrop off, or mix the tasks within batches"
        )


def _get_device() -> str:
    """Return the type of device that the backend sends from."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
