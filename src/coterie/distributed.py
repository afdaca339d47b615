"""The processes of a distributed training run: ranks, barriers and collectives."""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

Made = TypeVar("Made")


def get_rank() -> int:
    return int(os.environ.get("RANK", "0"))


def get_world_size() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_rank_zero() -> bool:
    """Return whether this is the process that writes files."""
    return get_rank() == 0


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


def all_gather_object(value: Made) -> list[Made]:
    """Return the values of all processes in rank order: small, picklable and on the CPU."""
    if not is_initialized():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


def run_on_rank_zero(work: Callable[[], object]) -> None:
    """Run `work` on rank 0 while the other processes wait.

    Raises ValueError on every process if `work` raises it on rank 0, so that none waits forever.
    """
    raised = None
    if is_rank_zero():
        try:
            work()
        except ValueError as error:
            raised = error
    [message, *_] = all_gather_object(None if raised is None else str(raised))
    if message is not None:
        raise raised or ValueError(message)


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
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    both = torch.tensor([mine, -mine], device=device)
    distributed.all_reduce(both, op=distributed.ReduceOp.MIN)
    if both.sum():
        raise ValueError(
            f"the processes ran different layers with experts in this step; this one ran "
            f"{len(names)}, the last {names[-1] if names else None!r}. A host that leaves layers "
            "out at random (layerdrop) or a tower without media in one process does so: switch "
            "layerdrop off, or mix the tasks within batches"
        )
