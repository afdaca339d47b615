"""The only global state of coterie: the routing context of the current forward pass.

Modules deep inside a model cannot receive the batch as an argument, so it is set when the model's
forward starts and reset when it ends. It is per thread, because autograd recomputes checkpointed
layers in threads of its own, and not in a ContextVar, which torch.compile cannot trace.
"""

import functools
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from coterie.routing.context import CachedDecision, RoutingContext
from coterie.routing.decision import Tape


@dataclass(kw_only=True)
class GenerationSession:
    """One call of a model's `generate`.

    Attributes:
        model: whose it is: another grafted model may be called meanwhile, such as a reward model.
        prompt_mask: False for padding; a static cache passes the forward a mask of four axes.
        instruction_mask: the users' turns in the prompt; None if that is not known.
        assistant: the model that drafts tokens, for the same tasks; None if there is none.
        has_started: the prompts were seen, and the decisions cached for them apply.
    """

    model: nn.Module
    task_ids: Int[Tensor, " batch"] | None = None
    prompt_mask: Bool[Tensor, "batch seq"] | None = None
    instruction_mask: Bool[Tensor, "batch seq"] | None = None
    assistant: nn.Module | None = None
    cached_decisions: dict[str, CachedDecision] = field(default_factory=dict)
    has_started: bool = False

    def join(self, other: "GenerationSession") -> "GenerationSession":
        """Return the session of both sessions' samples, whose prompts were seen, in this order.

        Decisions that one of them lacks are of encoders, which do not run after the prompt.
        """
        shared = [name for name in self.cached_decisions if name in other.cached_decisions]
        decisions = {
            name: self.cached_decisions[name].join(other.cached_decisions[name]) for name in shared
        }
        tasks = None
        if self.task_ids is not None and other.task_ids is not None:
            tasks = torch.cat([self.task_ids, other.task_ids.to(self.task_ids.device)])
        return self._continue(tasks, decisions)

    def select(self, samples: Int[Tensor, " chosen"]) -> "GenerationSession":
        """Return the session of some samples, whose prompts were seen."""
        tasks = None if self.task_ids is None else self.task_ids[samples.to(self.task_ids.device)]
        decisions = {name: each.select(samples) for name, each in self.cached_decisions.items()}
        return self._continue(tasks, decisions)

    def _continue(
        self, tasks: Tensor | None, decisions: dict[str, CachedDecision]
    ) -> "GenerationSession":
        return GenerationSession(
            model=self.model, task_ids=tasks, cached_decisions=decisions, has_started=True
        )


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


def get_session(model: nn.Module) -> GenerationSession | None:
    """Return the current call of the model's `generate`; None outside, or in another model's."""
    session = RUNTIME.generation_session
    return session if session is not None and session.model is model else None


def push_context(context: RoutingContext) -> None:
    """Make `context` the current pass's, until `pop_context`."""
    context.outer_context = RUNTIME.context
    RUNTIME.context = context


def pop_context() -> None:
    """Restore the context of the outer pass."""
    if RUNTIME.context is not None:
        RUNTIME.context = RUNTIME.context.outer_context


def replace_context(context: RoutingContext) -> None:
    """Make `context` the current pass's in place of the current one."""
    pop_context()
    push_context(context)


def drop_interrupted(opened_by: object) -> None:
    """Restore the context from before a forward of `opened_by` that did not end.

    torch runs no hook after a KeyboardInterrupt; and no model's forward runs within its own.
    """
    context = RUNTIME.context
    while context is not None:
        if context.opened_by is opened_by:
            RUNTIME.context = context.outer_context
        context = context.outer_context


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
