"""`generate` of a grafted model: it takes task ids, and keeps a prompt's decisions."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from coterie.tuner import runtime
from coterie.tuner.forward_hooks import find_hook
from coterie.tuner.runtime import RUNTIME, GenerationSession


def route_generate(model: nn.Module) -> None:
    """Replace the `generate` of a model that has one and a routing hook."""
    if callable(getattr(model, "generate", None)):
        # Not a bound method, which is pickled by a name that the model's class lacks.
        vars(model)["generate"] = partial(generate_routed, model)


def generate_routed(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Generate as the base model does; replaces its `generate` and also takes `task_ids`."""
    task_ids = kwargs.pop("coterie_task_ids", kwargs.pop("task_ids", None))
    mask = kwargs.get("attention_mask")
    config = kwargs.get("generation_config") or self.generation_config
    size = kwargs.get("prefill_chunk_size", getattr(config, "prefill_chunk_size", None))
    if size is not None:
        raise ValueError(
            f"prefill_chunk_size={size}: a decision by prompt would see the first chunk only; "
            "leave it out for grafted models"
        )
    prompt = mask.bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None
    outer = RUNTIME.generation_session
    session = GenerationSession(model=self, task_ids=task_ids, prompt_mask=prompt)
    hook = find_hook(self)
    assert hook is not None
    context = hook.make_generation_context(self, args, kwargs, task_ids)
    RUNTIME.generation_session = session
    if context is not None:
        runtime.push_context(context)
    try:
        return type(self).generate(self, *args, **kwargs)
    finally:
        if context is not None:
            runtime.pop_context()
        RUNTIME.generation_session = outer
