"""Checks of an extracted model: its checkpoint's keys, and how far it is from the routed model."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.extract.fixed_task import get_adapter_config, use_single_adapter
from coterie.extract.source import ExtractRequest
from coterie.families.base import find_family

Outputs = Float[Tensor, "..."]
PROBE_TOKENS = 24


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
    return _verify("weight", "loaded weights", error, max(map(get_weight_tolerance, dtypes)))


def verify_outputs(found: Outputs, wanted: Outputs, plain: nn.Module) -> dict[str, float]:
    """Return the largest error of `plain`, the loaded model, as `verify_weights` does."""
    dtype = next(weight.dtype for weight in plain.parameters() if weight.is_floating_point())
    error, tolerance = compute_largest_error(found, wanted), max(1e-4, 10 * torch.finfo(dtype).eps)
    return _verify("probe", "outputs for the probe", error, tolerance)


def _verify(key: str, what: str, error: float, tolerance: float) -> dict[str, float]:
    if not error <= tolerance:
        raise RuntimeError(
            f"the {what} differ from the routed model's by {error:.1e} of the largest entry, "
            f"where {tolerance:.1e} is allowed"
        )
    return {f"{key}_error": error, f"{key}_tolerance": tolerance}


def load_checkpoint(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a checkpoint with transformers, in eval mode. Raises RuntimeError if keys differ."""
    loaded, info = kind.from_pretrained(str(folder), output_loading_info=True, **options)
    if wrong := {key: found for key, found in info.items() if found}:
        raise RuntimeError(f"{folder} does not load as {type(loaded).__name__}: {wrong}")
    return loaded.eval()


@torch.no_grad()
def verify_probe(request: ExtractRequest, plain: Any) -> dict[str, float]:
    """Compare the loaded model's outputs on the probe, if any, with the routed model's."""
    model, probe = request.model, request.probe
    if probe is None:
        return {}
    tasks = get_adapter_config(model, request.adapter).tasks
    batch = len(probe.get("input_ids", next(iter(probe.values()))))
    ids = {"coterie_task_ids": torch.full((batch,), tasks.index(request.task))} if tasks else {}
    with use_single_adapter(model, request.adapter):
        wanted = get_model_output(model(**probe, **ids)).float()
    plain.to(next(model.parameters()).device)
    return verify_outputs(get_model_output(plain(**probe)).float(), wanted, plain)


def get_model_output(output: Any) -> Outputs:
    """Return logits where there are any, else the last hidden state."""
    logits = output.get("logits")
    return output["last_hidden_state"] if logits is None else logits


def draw_tokens(base_model: Any, rows: int) -> Int[Tensor, "batch seq"]:
    """Draw random tokens of text, alike in each call, on the device of the embedding table."""
    table = base_model.get_input_embeddings().weight
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(table.shape[0], (rows, PROBE_TOKENS), generator=draw).to(table.device)
    family = find_family(base_model)
    for placeholder in (
        () if family is None else family.get_placeholder_ids(base_model.config).values()
    ):
        ids[ids == placeholder] = 0  # there is no image for it
    return ids
