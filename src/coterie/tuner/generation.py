"""`generate` with task ids, and with prompt decisions that apply to all generated tokens."""

from typing import Any

import torch

from coterie.tuner.runtime import RUNTIME, GenerationSession


def generate_routed(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Generate as the base model does; replaces its `generate` and also takes `task_ids`."""
    task_ids = kwargs.pop("task_ids", None)
    task_ids = kwargs.pop("coterie_task_ids", task_ids)
    mask = kwargs.get("attention_mask")
    _reject_prefill_chunks(self, kwargs)
    outer = RUNTIME.generation_session
    prompt = mask.bool() if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None
    RUNTIME.generation_session = GenerationSession(task_ids=task_ids, prompt_mask=prompt)
    try:
        return type(self).generate(self, *args, **kwargs)
    finally:
        RUNTIME.generation_session = outer


def _reject_prefill_chunks(model: Any, kwargs: dict[str, Any]) -> None:
    config = kwargs.get("generation_config") or model.generation_config
    size = kwargs.get("prefill_chunk_size", getattr(config, "prefill_chunk_size", None))
    if size is not None:
        raise ValueError(
            f"prefill_chunk_size={size}: a decision by prompt would see the first chunk only; "
            "leave it out for grafted models"
        )
