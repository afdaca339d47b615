"""The only ambient state of coterie: the routing state of the forward pass that is running.

Modules deep inside a host cannot be handed the batch as an argument, so it is set when the host's
forward begins and taken back when it ends. It is kept per thread, because autograd recomputes
checkpointed layers in threads of its own, and not in a ContextVar, which torch.compile cannot
trace.
"""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from jaxtyping import Bool, Int
from torch import Tensor

from coterie.routing.context import CachedDecision, RoutingContext
from coterie.routing.decision import Tape


@dataclass(kw_only=True)
class GenerationSession:
    """One call of `generate`.

    Attributes:
        task_ids: the task of each prompt.
        prompt_mask: the prompts' real tokens; kept because a static cache passes the forward a mask
            of
            four axes.
        cached_decisions: the decisions made for the prompts.
        has_started: the prompts have been read, so `settled` holds.
    """

    task_ids: Int[Tensor, " batch"] | None = None
    prompt_mask: Bool[Tensor, "batch seq"] | None = None
    cached_decisions: dict[str, CachedDecision] = field(default_factory=dict)
    has_started: bool = False


class _Runtime(threading.local):
    """What runs now. Set in `__init__`, a thread's first look: torch.compile guards on each name
    being there, and would compile again if one appeared later."""

    def __init__(self) -> None:
        self.context: RoutingContext | None = None
        self.tape: Tape | None = None
        self.generation_session: GenerationSession | None = None
        self.adapter_names: tuple[str, ...] | None = None


RUNTIME = _Runtime()


def push_context(context: RoutingContext) -> None:
    """Makes `state` the running pass's, until `pop_context`."""
    context.outer_context = RUNTIME.context
    RUNTIME.context = context


def pop_context() -> None:
    """Ends the running pass."""
    if RUNTIME.context is not None:
        RUNTIME.context = RUNTIME.context.outer_context


class ReplayContext(AbstractContextManager[None]):
    """Recomputes a pass in backward with the routing state of its forward.

    It can be entered again: a graph that several losses are differentiated through, as gradient
    balancing does, is recomputed for each of them.
    """

    def __init__(self, context: RoutingContext | None) -> None:
        self.context = context
        self.before: RoutingContext | None = None

    def __enter__(self) -> None:
        self.before = RUNTIME.context
        # A copy, so that decisions cached while recomputing do not reach the next recomputation.
        RUNTIME.context = None if self.context is None else self.context.replay()

    def __exit__(self, *error: object) -> None:
        RUNTIME.context = self.before
