"""`generate` of a grafted model: it takes task ids, and keeps a prompt's decisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from peft import PeftModel
from torch import Tensor, nn

from coterie.tuner import runtime
from coterie.tuner.batch import INSTRUCTION_KEY
from coterie.tuner.forward_hooks import ROUTED_METHODS, find_hook
from coterie.tuner.layer import CoterieLayer
from coterie.tuner.runtime import RUNTIME, GenerationSession


def route_generate(model: nn.Module) -> None:
    """Replace what generates, of a model that has it and a routing hook."""
    routed = (generate_routed, init_continuous_batching_routed)
    for name, function in zip(ROUTED_METHODS, routed, strict=True):
        if callable(getattr(model, name, None)):
            # Not a bound method, which is pickled by a name that the model's class lacks.
            vars(model)[name] = partial(function, model)


def generate_routed(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Generate as the base model does; replaces its `generate` and also takes `task_ids`."""
    task_ids = kwargs.pop("coterie_task_ids", kwargs.pop("task_ids", None))
    turns = kwargs.pop(INSTRUCTION_KEY, None)
    mask = kwargs.get("attention_mask")
    config = kwargs.get("generation_config") or self.generation_config
    size = kwargs.get("prefill_chunk_size", getattr(config, "prefill_chunk_size", None))
    if size is not None:
        raise ValueError(
            f"prefill_chunk_size={size}: a decision by prompt would see the first chunk only; "
            "leave it out for grafted models"
        )
    prompt = mask.bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None
    outer, outer_context = RUNTIME.generation_session, RUNTIME.context
    if task_ids is None and outer is not None and outer.assistant is self:
        task_ids = outer.task_ids
    session = GenerationSession(model=self, task_ids=task_ids, prompt_mask=prompt)
    session.assistant = _get_base_model(kwargs.get("assistant_model"))
    session.instruction_mask = None if turns is None else turns.bool()
    hook = find_hook(self)
    assert hook is not None
    context = hook.make_generation_context(self, args, kwargs, task_ids)
    RUNTIME.generation_session = session
    if context is not None:
        runtime.push_context(context)
    try:
        return type(self).generate(self, *args, **kwargs)
    finally:
        RUNTIME.context, RUNTIME.generation_session = outer_context, outer


@contextmanager
def continue_generation(session: GenerationSession | None) -> Iterator[None]:
    """Run forward passes of a model as further steps of its `generate`, for a session's samples."""
    outer = RUNTIME.generation_session
    RUNTIME.generation_session = session
    try:
        yield
    finally:
        RUNTIME.generation_session = outer


def _get_base_model(model: Any) -> Any:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def init_continuous_batching_routed(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Do as the base model does, which `generate_batch` also calls.

    Raises ValueError if a gate decides by sample or by task: rows then hold several prompts. Their
    forward runs in a thread of its own, whose errors the caller does not get.
    """
    for layer in self.modules():
        mixtures = layer.list_active_mixtures() if isinstance(layer, CoterieLayer) else ()
        for mixture in mixtures:
            gate = mixture.gate
            if mixture.needs_task_ids or (gate is not None and gate.decides_per_sample):
                what = "mixture of some tasks" if mixture.tasks else type(gate).__name__
                raise ValueError(
                    f"generate_batch packs prompts into one row, and a {what} "
                    "decides by prompt or by task: use generate()"
                )
    return type(self).init_continuous_batching(self, *args, **kwargs)
