"""The processes that train together: which one this is, and what they tell each other."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import distributed, nn

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
