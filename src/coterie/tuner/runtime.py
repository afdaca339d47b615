"""The only global state of coterie: the routing context of the current forward pass.

Modules deep inside a model cannot receive the batch as an argument, so it is set when the model's
forward starts and reset when it ends. It is per thread, because autograd recomputes checkpointed
layers in threads of its own, and not in a ContextVar, which torch.compile cannot trace.
"""

import threading
from dataclasses import dataclass, field

from jaxtyping import Bool, Int
from torch import Tensor

from coterie.routing.context import CachedDecision, RoutingContext
from coterie.routing.decision import Tape


@dataclass(kw_only=True)
class GenerationSession:
    """One call of `generate`; once it `has_started`, the decisions cached for its prompts apply.

    `prompt_mask` is False for padding; a static cache passes the forward a mask of four axes.
    """

    task_ids: Int[Tensor, " batch"] | None = None
    prompt_mask: Bool[Tensor, "batch seq"] | None = None
    cached_decisions: dict[str, CachedDecision] = field(default_factory=dict)
    has_started: bool = False


class _Runtime(threading.local):
    """The current state. `__init__` sets all names, because torch.compile guards on the presence of
    each, and would compile again if one appeared later.
    """

    def __init__(self) -> None:
        self.context: RoutingContext | None = None
        self.tape: Tape | None = None
        self.generation_session: GenerationSession | None = None
        self.adapter_names: tuple[str, ...] | None = None


RUNTIME = _Runtime()


def push_context(context: RoutingContext) -> None:
    """Make `context` the current pass's, until `pop_context`."""
    context.outer_context = RUNTIME.context
    RUNTIME.context = context


def pop_context() -> None:
    """Restore the context of the outer pass."""
    if RUNTIME.context is not None:
        RUNTIME.context = RUNTIME.context.outer_context
