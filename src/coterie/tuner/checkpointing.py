"""Gradient checkpointing that recomputes layers with the routing context of their own forward."""

import functools
from contextlib import AbstractContextManager, nullcontext

from torch import nn

from coterie.tuner.runtime import RUNTIME


class ReplayContext(AbstractContextManager[None]):
    """A context manager that recomputes a pass in backward with the routing context of its forward.

    It can be entered again: a graph that several losses are differentiated through, as in gradient
    balancing, is recomputed for each of them.
    """

    def __init__(self) -> None:
        self.context = RUNTIME.context and RUNTIME.context.replay()

    def __enter__(self) -> None:
        self.before = RUNTIME.context
        # A copy, so that decisions cached while recomputing do not reach the next recomputation.
        RUNTIME.context = self.context and self.context.replay()

    def __exit__(self, *error: object) -> None:
        RUNTIME.context = self.before


def make_checkpoint_contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of torch.utils.checkpoint's `context_fn`; forward calls it."""
    return nullcontext(), ReplayContext()


def configure_checkpointing(model: nn.Module) -> None:
    """Make every enabled checkpoint of `model` restore the routing context.

    Raises ValueError for reentrant checkpointing, which silently cuts auxiliary losses off from
    their gates.
    """
    for module in model.modules():
        checkpoint = vars(module).get("_gradient_checkpointing_func")
        is_on = getattr(module, "gradient_checkpointing", False)
        if not is_on or not isinstance(checkpoint, functools.partial):
            continue
        context_fn = checkpoint.keywords.get("context_fn")
        if context_fn is make_checkpoint_contexts:
            continue
        if checkpoint.keywords.get("use_reentrant", True):
            raise ValueError(
                "gradient checkpointing is on with use_reentrant=True, which silently loses the "
                "gradients of routing losses: enable it with "
                "gradient_checkpointing_kwargs={'use_reentrant': False}"
            )
        if context_fn is not None:
            raise ValueError(
                "gradient checkpointing already has a context_fn, and coterie needs its own to "
                "carry the routing state into the recomputation: enable it without context_fn"
            )
        wrapped = functools.partial(checkpoint, context_fn=make_checkpoint_contexts)
        vars(module)["_gradient_checkpointing_func"] = wrapped
