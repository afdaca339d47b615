"""The only ambient state of coterie: the routing state of the forward pass that is running.

Modules deep inside a host cannot be handed the batch as an argument, so it is set when the host's
forward begins and taken back when it ends. It is kept per thread, because autograd recomputes
checkpointed layers in threads of its own, and not in a ContextVar, which torch.compile cannot
trace.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jaxtyping import Bool, Int
from torch import Tensor

from coterie.routing.decision import Tape
from coterie.routing.state import Settled, State


@dataclass(kw_only=True)
class Session:
    """One call of `generate`.

    Attributes:
        task_ids: the task of each prompt.
        prompt: the prompts' real tokens; kept because a static cache hands the forward a mask of
            four axes.
        settled: the decisions made for the prompts.
        started: the prompts have been read, so `settled` holds.
    """

    task_ids: Int[Tensor, " batch"] | None = None
    prompt: Bool[Tensor, "batch seq"] | None = None
    settled: dict[str, Settled] = field(default_factory=dict)
    started: bool = False


class _Ambient(threading.local):
    """What runs now. Set in `__init__`, a thread's first look: torch.compile guards on each name
    being there, and would compile again if one appeared later."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.tape: Tape | None = None
        self.session: Session | None = None
        self.adapter_names: tuple[str, ...] | None = None


AMBIENT = _Ambient()


def enter(state: State) -> None:
    """Makes `state` the running pass's, until `leave`."""
    state.previous = AMBIENT.state
    AMBIENT.state = state


def leave() -> None:
    """Ends the running pass."""
    if AMBIENT.state is not None:
        AMBIENT.state = AMBIENT.state.previous


@contextmanager
def replayed(state: State | None) -> Iterator[None]:
    """A pass recomputed in backward: the state of the forward it repeats."""
    before = AMBIENT.state
    AMBIENT.state = state
    try:
        yield
    finally:
        AMBIENT.state = before
