"""The "pruned" format: write, read and compare a pruned model with the restricted mixture."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor
from transformers import AutoModel

from coterie.evaluate.cost import count_flops
from coterie.extract.expert_selection import compute_lost_choices
from coterie.extract.expert_usage import SPLIT, resolve_usage
from coterie.extract.fixed_task import get_adapter_layers
from coterie.extract.formats import ExtractRequest, ExtractResult
from coterie.extract.parameter_counts import count_model_parameters, count_pruned_parameters
from coterie.extract.pruning import (
    check,
    close_experts,
    prune,
    select_remaining_experts,
)
from coterie.extract.source import PROBE_IMAGES, ExtractSource, load_image_batches
from coterie.extract.verify import compute_largest_error, use_single_adapter
from coterie.models.pruned_vision.modeling import PrunedVisionModel


def write(request: ExtractRequest) -> ExtractResult:
    """Write the checkpoint. Raises ValueError if the task's expert usage is unknown."""
    model, task, adapter = request.source.model, request.task, request.adapter
    check(model, task, adapter)
    seen = resolve_usage(request.source, task, request.usage, adapter=adapter, probe=request.probe)
    small = prune(
        model, task=task, use=seen.choice_shares, pruning=request.pruning, adapter=adapter
    )
    small.save_pretrained(str(request.folder))
    stay = select_remaining_experts(model, seen.choice_shares, request.pruning.threshold, adapter)
    loaded = read(request.folder, small)
    probe = request.probe or load_probe_images(request.source, seen.split)
    full = count_model_parameters(model, adapter)
    facts: dict[str, Any] = {
        "threshold": request.pruning.threshold,
        "exact": request.pruning.exact,
        "use": {"seen": seen.source, "split": seen.split},
        "parameters_of_whole": full.total,
        **count_pruned_parameters(small).dump(full),
        "kept": {name: list(numbers) for name, numbers in stay.items()},
        "choices_lost": compute_lost_choices(seen.choice_shares, stay),
    }
    if probe is not None:
        facts |= measure_difference(request, loaded, probe)

    def differs(plain: Any, probe: Mapping[str, Tensor]) -> float:
        if not request.pruning.exact:  # no routed model has a softmax over fewer experts
            return compute_largest_error(
                predict_pruned(plain, task, probe), predict_pruned(small, task, probe)
            )
        with restrict_to_experts(model, adapter, stay):
            expected = predict_routed(model, task, adapter, probe)
        return compute_largest_error(predict_pruned(plain, task, probe), expected)

    return ExtractResult(
        load_result=lambda: loaded,
        measure_difference=differs,
        weight_error=0.0,
        tolerance=0.0,
        report=facts,
        probe=probe,
    )


def load_probe_images(source: ExtractSource, split: str | None) -> dict[str, Tensor] | None:
    """Load a few images of the split on which usage was measured, or of the validation split."""
    if source.run is None:
        return None
    return {"pixel_values": next(load_image_batches(source, split or SPLIT, PROBE_IMAGES))}


def measure_difference(
    request: ExtractRequest, small: PrunedVisionModel, probe: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Measure how predictions differ from the full model's, and both models' FLOPs per image.

    Both predict the task alone: in a batch of all tasks, products may round differently.
    """
    model, task, adapter = request.source.model, request.task, request.adapter
    changed = compute_largest_error(
        predict_pruned(small, task, probe), predict_routed(model, task, adapter, probe)
    )
    images = len(probe["pixel_values"])
    with use_single_adapter(model, adapter):
        for each in (small, model):  # torch's FLOP counter fails on tensors that require gradients
            each.requires_grad_(False)
        own = count_flops(lambda: small(pixel_values=probe["pixel_values"]))
        of_whole = count_flops(lambda: model(pixel_values=probe["pixel_values"], tasks=(task,)))
    return {
        "probe_pictures": images,
        "changed_by_pruning": changed,
        "bit_equal_to_whole": changed == 0,
        "flops_per_picture": own / images,
        "flops_per_picture_of_whole": of_whole / images,
    }


def read(folder: Any, small: PrunedVisionModel) -> PrunedVisionModel:
    """Load the checkpoint with AutoModel. Raises RuntimeError if a weight differs."""
    loaded, info = AutoModel.from_pretrained(str(folder), output_loading_info=True)
    wrong = {key: found for key, found in info.items() if found}
    weights = loaded.state_dict()
    changed = [
        name
        for name, weight in small.state_dict().items()
        if not torch.equal(weights[name], weight.cpu().to(weights[name].dtype))
    ]
    if wrong or changed:
        raise RuntimeError(f"{folder} does not load as it was saved: {wrong} {changed[:3]}")
    return loaded.eval()


@contextmanager
def restrict_to_experts(
    model: PeftModel, adapter: str, stay: Mapping[str, Sequence[int]]
) -> Iterator[None]:
    """Restrict the routed model to the remaining experts, inside the context."""
    layers = get_adapter_layers(model, adapter)
    before = {name: layer.coterie_site[adapter] for name, layer in layers.items()}
    for name, site in before.items():
        layers[name].coterie_site[adapter] = replace(
            site, mixture=close_experts(site.mixture, stay[name])
        )
    try:
        yield
    finally:
        for name, site in before.items():
            layers[name].coterie_site[adapter] = site


@torch.no_grad()
def predict_routed(
    model: PeftModel, task: str, adapter: str, probe: Mapping[str, Tensor]
) -> Float[Tensor, "..."]:
    """Predict the task alone with the routed model."""
    with use_single_adapter(model, adapter):
        found = model(pixel_values=probe["pixel_values"], tasks=(task,)).predictions[task]
    return found.float()


@torch.no_grad()
def predict_pruned(
    plain: PrunedVisionModel, task: str, probe: Mapping[str, Tensor]
) -> Float[Tensor, "..."]:
    """Predict with a pruned model."""
    images = probe["pixel_values"]
    model: Any = plain
    found = model.to(images.device)(pixel_values=images)
    return found.predictions[task].float()
