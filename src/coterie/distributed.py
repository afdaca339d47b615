"""The processes that train together: which one this is, and what they tell each other."""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

Made = TypeVar("Made")


def get_rank() -> int:
    """This process's number among those that train together."""
    return int(os.environ.get("RANK", "0"))


def get_world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_rank_zero() -> bool:
    """Whether this process writes files."""
    return get_rank() == 0


def is_initialized() -> bool:
    """Whether the processes can talk."""
    return distributed.is_available() and distributed.is_initialized()


def init_distributed() -> None:
    """Begins to talk, if there is more than one process; Trainer then finds it begun."""
    if get_world_size() > 1 and not is_initialized():
        # Heavy, and not needed by one process.
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())


def barrier() -> None:
    """Waits until all processes are here."""
    if is_initialized():
        distributed.barrier()


def average_gradients(module: nn.Module) -> None:
    """What DistributedDataParallel does in backward, for a module that it does not know."""
    if is_initialized():
        for each in module.parameters():
            assert each.grad is not None
            distributed.all_reduce(each.grad)
            each.grad /= distributed.get_world_size()


def all_reduce_sum(*tensors: Tensor) -> None:
    """Replace each tensor by its sum over all processes; nothing to do for one process."""
    if is_initialized():
        for each in tensors:
            distributed.all_reduce(each)


def broadcast_from_rank_zero(tensor: Tensor) -> None:
    """Replace a tensor by that of the first process; nothing to do for one process."""
    if is_initialized():
        distributed.broadcast(tensor, src=0)


def all_gather_object(value: Made) -> list[Made]:
    """What each process has, in their order; picklable, small, and in main memory."""
    if not is_initialized():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found


def run_on_rank_zero(work: Callable[[], Made]) -> Made | None:
    """Has the first process alone do something, and the others wait for it; they get None.

    Raises ValueError on every process if the first one's work does: none is left waiting.
    """
    made, refused = None, None
    if is_rank_zero():
        try:
            made = work()
        except ValueError as error:
            refused = error
    [said, *_] = all_gather_object(None if refused is None else str(refused))
    if said is not None:
        raise refused or ValueError(said)
    return made


def assert_same_layers_across_ranks(layers: Iterable[str]) -> None:
    """One small exchange a call; nothing at all where there is one process.

    Raises ValueError on every process if one recorded other layers, or in another order. The sums
    of routing losses would otherwise mix layers up, or wait for each other for ever.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    names = list(layers)
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    # 62 bits, and their negative: the smallest of both says whether all are equal.
    mine = int.from_bytes(digest[:8], "big") >> 2
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    both = torch.tensor([mine, -mine], device=device)
    distributed.all_reduce(both, op=distributed.ReduceOp.MIN)
    low, high = both.tolist()
    if low != -high:
        raise ValueError(
            f"the processes ran different layers with experts in this step; this one ran "
            f"{len(names)}, the last {names[-1] if names else None!r}. A host that leaves layers "
            "out at random (layerdrop) or a tower without media in one process does so: switch "
            "layerdrop off, or mix the tasks within batches"
        )
