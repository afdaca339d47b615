"""Differences between an extracted model and the routed one, and their tolerances."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.extract.fixed_task import get_adapter_config
from coterie.extract.source import ExtractRequest

Outputs = Float[Tensor, "..."]


def compute_largest_error(found: Outputs, wanted: Outputs) -> float:
    """Compute the largest difference, divided by the largest wanted entry, if that is not 0."""
    scale = wanted.abs().max().item()
    return (found - wanted).abs().max().item() / (scale or 1.0)


def get_weight_tolerance(dtype: torch.dtype) -> float:
    """Return 1e-6, or the machine epsilon of a coarser dtype."""
    return max(1e-6, torch.finfo(dtype).eps)


def verify_weights(error: float, *dtypes: torch.dtype) -> dict[str, float]:
    """Return the largest error of weights of these dtypes, for the report.

    Raises RuntimeError if it is too large.
    """
    tolerance = max(map(get_weight_tolerance, dtypes))
    if not error <= tolerance:
        raise RuntimeError(
            f"the loaded weights differ from the routed model's by {error:.1e} of the largest "
            f"entry, where {tolerance:.1e} is allowed"
        )
    return {"weight_error": error, "weight_tolerance": tolerance}


def verify_outputs(error: float, plain: nn.Module) -> dict[str, float]:
    """Return the largest error of `plain`, the loaded model, as `verify_weights` does."""
    dtype = next(weight.dtype for weight in plain.parameters() if weight.is_floating_point())
    allowed = max(1e-4, 10 * torch.finfo(dtype).eps)
    if not error <= allowed:
        raise RuntimeError(
            f"the outputs for the probe differ by {error:.1e} of the largest, where {allowed:.1e} "
            "is allowed"
        )
    return {"probe_error": error, "probe_tolerance": allowed}


@torch.no_grad()
def verify_probe(request: ExtractRequest, plain: Any) -> dict[str, float]:
    """Compare the loaded model's outputs on the probe, if any, with the routed model's."""
    model, probe = request.source.model, request.probe
    if probe is None:
        return {}
    tasks = get_adapter_config(model, request.adapter).tasks
    batch = len(probe.get("input_ids", next(iter(probe.values()))))
    ids = {"coterie_task_ids": torch.full((batch,), tasks.index(request.task))} if tasks else {}
    with use_single_adapter(model, request.adapter):
        wanted = get_model_output(model(**probe, **ids)).float()
    plain.to(next(model.parameters()).device)
    error = compute_largest_error(get_model_output(plain(**probe)).float(), wanted)
    return verify_outputs(error, plain)


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


def get_model_output(output: Any) -> Outputs:
    """Return logits where there are any, else the last hidden state."""
    logits = output.get("logits")
    return output["last_hidden_state"] if logits is None else logits
