"""The processes that train together: which one this is, and what they tell each other."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import distributed, nn

Made = TypeVar("Made")


def rank() -> int:
    """This process's number among those that train together."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes files."""
    return rank() == 0


def met() -> bool:
    """Whether the processes can talk."""
    return distributed.is_available() and distributed.is_initialized()


def meet() -> None:
    """Begins to talk, if there is more than one process; Trainer then finds it begun."""
    if world() > 1 and not met():
        # Heavy, and not needed by one process.
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())


def wait() -> None:
    """Waits until all processes are here."""
    if met():
        distributed.barrier()


def average_gradients(module: nn.Module) -> None:
    """What DistributedDataParallel does in backward, for a module that it does not know."""
    if met():
        for each in module.parameters():
            assert each.grad is not None
            distributed.all_reduce(each.grad)
            each.grad /= distributed.get_world_size()


def gathered(mine: Made) -> list[Made]:
    """What each process has, in their order; picklable, small, and in main memory."""
    if not met():
        return [mine]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, mine)
    return found


def first_does(work: Callable[[], Made]) -> Made | None:
    """Has the first process alone do something, and the others wait for it; they get None.

    Raises ValueError on every process if the first one's work does: none is left waiting.
    """
    made, refused = None, None
    if is_first():
        try:
            made = work()
        except ValueError as error:
            refused = error
    [said, *_] = gathered(None if refused is None else str(refused))
    if said is not None:
        raise refused or ValueError(said)
    return made
