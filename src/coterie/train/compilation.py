"""`compile_model`: the model of a stage through torch.compile."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def compile_model(model: nn.Module, *, on: bool) -> Iterator[None]:
    """Run the model through torch.compile within the block, if `on`.

    In place, so that a wrapper such as DistributedDataParallel, and validation, run it, too.
    """
    if on:
        model.compile()
    try:
        yield
    finally:
        model._compiled_call_impl = None
