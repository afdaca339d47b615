"""Gradient checkpointing that recomputes layers with the routing context of their own forward."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn

from coterie.tuner.runtime import RUNTIME, ReplayContext


def make_checkpoint_contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of torch.utils.checkpoint's `context_fn`; forward calls it."""
    context = RUNTIME.context
    return nullcontext(), ReplayContext(None if context is None else context.replay())


def configure_checkpointing(model: nn.Module) -> None:
    """Make every enabled checkpoint of `model` restore the routing context.

    Raises ValueError for reentrant checkpointing, which silently cuts auxiliary losses off from
    their gates.
    """
    for module in model.modules():
        checkpoint = module.__dict__.get("_gradient_checkpointing_func")
        if checkpoint is None or not getattr(module, "gradient_checkpointing", False):
            continue
        wrapped = _wrap_checkpoint(checkpoint)
        if wrapped is not checkpoint:
            module.__dict__["_gradient_checkpointing_func"] = wrapped


def _wrap_checkpoint(checkpoint: Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(checkpoint, functools.partial):
        return checkpoint
    keywords = checkpoint.keywords
    if keywords.get("context_fn") is make_checkpoint_contexts:
        return checkpoint
    if keywords.get("use_reentrant", True):
        raise ValueError(
            "gradient checkpointing is on with use_reentrant=True, which silently loses the "
            "gradients of routing losses: enable it with "
            "gradient_checkpointing_kwargs={'use_reentrant': False}"
        )
    if keywords.get("context_fn") is not None:
        raise ValueError(
            "gradient checkpointing already has a context_fn, and coterie needs its own to carry "
            "the routing state into the recomputation: enable it without context_fn"
        )
    return functools.partial(
        checkpoint.func, *checkpoint.args, **keywords, context_fn=make_checkpoint_contexts
    )
