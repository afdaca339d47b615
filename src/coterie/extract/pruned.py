"""The "pruned" format: write, read and compare a pruned model with the restricted mixture."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor
from transformers import AutoModel

from coterie.evaluate.cost import count_flops
from coterie.extract.expert_selection import PruningOptions, compute_lost_choices
from coterie.extract.fixed_task import get_adapter_layers, use_single_adapter
from coterie.extract.parameter_counts import count_model_parameters, count_pruned_parameters
from coterie.extract.pruning import check, close_experts, prune, select_remaining_experts
from coterie.extract.source import PROBE_IMAGES, SPLIT, ExtractRequest
from coterie.extract.verify import (
    compute_largest_error,
    load_checkpoint,
    verify_outputs,
)
from coterie.models.pruned_vision.modeling import PrunedVisionModel

Images = Float[Tensor, "batch channels height breadth"]
Predictions = Float[Tensor, "..."]


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write the checkpoint and compare it, and return the report.

    Raises ValueError if the task's expert usage is unknown.
    """
    model, task, adapter = request.model, request.task, request.adapter
    pruning = request.pruning or PruningOptions()
    check(model, task, adapter)
    if request.run is not None and len({each.dtype for each in model.parameters()}) > 1:
        # Trained weights are float32 and frozen ones bfloat16; a checkpoint has one dtype, exactly.
        model.float()
    use, seen, split = request.resolve_usage()
    small = prune(model, task=task, use=use, pruning=pruning, adapter=adapter)
    small.save_pretrained(str(folder))
    stay = select_remaining_experts(model, use, pruning.threshold, adapter)
    loaded = read(folder, small)
    full = count_model_parameters(model, adapter)
    report: dict[str, Any] = {
        "threshold": pruning.threshold,
        "exact": pruning.exact,
        "use": {"seen": seen, "split": split},
        "parameters_of_whole": full.total,
        **count_pruned_parameters(small).dump(full),
        "kept": {name: list(numbers) for name, numbers in stay.items()},
        "choices_lost": compute_lost_choices(use, stay),
    }
    facts = {"weight_error": 0.0, "weight_tolerance": 0.0}
    if request.probe:
        images = request.probe["pixel_values"]
    elif request.run is not None:
        images = next(request.load_image_batches(split or SPLIT, PROBE_IMAGES))
    else:
        return facts | report
    report |= measure_difference(request, loaded, images)
    if pruning.exact:
        with restrict_to_experts(model, adapter, stay):
            expected = predict_routed(model, task, adapter, images)
    else:  # no routed model has a softmax over fewer experts
        expected = predict_pruned(small, task, images)
    found = predict_pruned(loaded, task, images)
    return facts | verify_outputs(found, expected, loaded) | report


def measure_difference(
    request: ExtractRequest, small: PrunedVisionModel, images: Images
) -> dict[str, Any]:
    """Measure how predictions differ from the full model's, and both models' FLOPs per image.

    Both predict the task alone: in a batch of all tasks, products may round differently.
    """
    model, task, adapter = request.model, request.task, request.adapter
    expected = predict_routed(model, task, adapter, images)
    changed = compute_largest_error(predict_pruned(small, task, images), expected)
    with use_single_adapter(model, adapter):
        for each in (small, model):  # torch's FLOP counter fails on tensors that require gradients
            each.requires_grad_(False)
        own = count_flops(lambda: small(pixel_values=images))
        of_whole = count_flops(lambda: model(pixel_values=images, tasks=(task,)))
    return {
        "probe_pictures": len(images),
        "changed_by_pruning": changed,
        "bit_equal_to_whole": changed == 0,
        "flops_per_picture": own / len(images),
        "flops_per_picture_of_whole": of_whole / len(images),
    }


def read(folder: Path, small: PrunedVisionModel) -> PrunedVisionModel:
    """Load the checkpoint with AutoModel. Raises RuntimeError if a weight differs."""
    loaded = load_checkpoint(AutoModel, folder)
    weights = loaded.state_dict()
    changed = [name for name, weight in small.state_dict().items()
               if not torch.equal(weights[name], weight.cpu().to(weights[name].dtype))]  # fmt: skip
    if changed:
        raise RuntimeError(f"{folder} does not load as it was saved: {changed[:3]}")
    return loaded


@contextmanager
def restrict_to_experts(
    model: PeftModel, adapter: str, stay: Mapping[str, Sequence[int]]
) -> Iterator[None]:
    """Restrict the routed model to the remaining experts, inside the context."""
    layers = get_adapter_layers(model, adapter)
    before = {name: layers[name].coterie_site[adapter] for name in stay}
    for name, site in before.items():
        mixture = close_experts(site.mixture, stay[name])
        layers[name].coterie_site[adapter] = replace(site, mixture=mixture)
    try:
        yield
    finally:
        for name, site in before.items():
            layers[name].coterie_site[adapter] = site


@torch.no_grad()
def predict_routed(model: PeftModel, task: str, adapter: str, images: Images) -> Predictions:
    """Predict the task alone with the routed model."""
    with use_single_adapter(model, adapter):
        return model(pixel_values=images, tasks=(task,)).predictions[task].float()


@torch.no_grad()
def predict_pruned(model: Any, task: str, images: Images) -> Predictions:
    return model.to(images.device)(pixel_values=images).predictions[task].float()
