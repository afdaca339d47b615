"""Differences between an extracted model and the routed one, and their tolerances."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

TOLERANCE = 1e-6


def compute_largest_error(found: Float[Tensor, "..."], wanted: Float[Tensor, "..."]) -> float:
    """Compute the largest difference, divided by the largest wanted entry, if that is not 0."""
    scale = wanted.abs().max().item()
    return (found - wanted).abs().max().item() / (scale or 1.0)


def get_weight_tolerance(dtype: torch.dtype) -> float:
    """Return 1e-6, or the machine epsilon of a coarser dtype."""
    return max(TOLERANCE, torch.finfo(dtype).eps)


@torch.no_grad()
def measure_probe_error(
    model: PeftModel, plain: Any, probe: Mapping[str, Tensor], task: int | None, adapter: str
) -> float:
    """Compute the largest difference of two models' outputs, by the largest entry of the output.

    Args:
        model: the grafted model, for which all samples of `probe` are of the task.
        plain: the model that was loaded from the files.
        probe: keyword arguments of the base model's forward.
        task: the task's index; None if the model was grafted without tasks.
        adapter: which of the model's adapters.
    """
    leading = next(iter(probe.values()))
    batch = len(probe.get("input_ids", leading))
    ids = {} if task is None else {"coterie_task_ids": torch.full((batch,), task)}
    with use_single_adapter(model, adapter):
        wanted = get_model_output(model(**probe, **ids)).float()
    plain.to(next(model.parameters()).device)
    return compute_largest_error(get_model_output(plain(**probe)).float(), wanted)


@contextmanager
def use_single_adapter(model: PeftModel, adapter: str) -> Iterator[None]:
    """Activate one adapter in eval mode inside the context; restore both afterwards."""
    modes = {module: module.training for module in model.modules()}
    active, tuner = list(model.active_adapters), cast(Any, model.base_model)
    model.eval()
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(active[0])
        tuner.set_adapter(active)
        for module, mode in modes.items():
            module.training = mode


def get_model_output(output: Any) -> Float[Tensor, "..."]:
    """Return logits where there are any, else the last hidden state."""
    logits = output.get("logits")
    return output["last_hidden_state"] if logits is None else logits
