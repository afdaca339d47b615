"""The "onnx" format: one task of a vision model as an ONNX graph, checked in onnxruntime."""

import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.extract.expert_selection import PruningOptions
from coterie.extract.fixed_task import (
    get_adapter_config,
    get_adapter_layers,
    make_fixed_task_loras,
    use_single_adapter,
)
from coterie.extract.merged import check, copy_without_mixtures, merge
from coterie.extract.pruned import predict_routed
from coterie.extract.pruning import prune
from coterie.extract.source import SPLIT, ExtractRequest
from coterie.extract.verify import compute_largest_error, get_model_output
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.optional_imports import import_optional

FILE = "model.onnx"
EXTRA = "onnx"
TOLERANCE = 1e-4
EXAMPLES = 3
"""Images on which the graph is traced; a batch of 1 would be taken for the only one."""

Images = Float[Tensor, "batch channels height breadth"]
Predictions = Float[Tensor, "..."]


class TaskPredictions(nn.Module):
    """A vision model as a function of images to one tensor: a task's predictions, or the logits."""

    def __init__(self, model: nn.Module, task: str | None) -> None:
        super().__init__()
        self.model, self.task = model, task

    def forward(self, pixel_values: Images) -> Predictions:
        output = self.model(pixel_values=pixel_values)
        return get_model_output(output) if self.task is None else output.predictions[self.task]


def write(request: ExtractRequest, folder: Path) -> dict[str, Any]:
    """Write the graph, run it in onnxruntime and compare it, and return the report.

    Raises ValueError for a model that reads other than images, and without the extra.
    """
    runtime = import_optional("onnxruntime", EXTRA)
    import_optional("onnxscript", EXTRA)
    model, adapter = request.model, request.adapter
    base_model: Any = model.get_base_model()
    if base_model.main_input_name != "pixel_values":
        raise ValueError(
            f"format='onnx' is for vision models, and a {type(base_model).__name__} reads "
            f"{base_model.main_input_name}: use format='merged', 'native' or 'gguf'"
        )
    is_dense = isinstance(base_model, MultiTaskVisionModel)
    plain = make_dense(request) if is_dense else make_merged(request)
    images = load_examples(request)
    function = TaskPredictions(plain, request.task if is_dense else None).to(images.device).eval()
    export(function, images, folder / FILE)
    session = runtime.InferenceSession(str(folder / FILE), providers=["CPUExecutionProvider"])
    errors = []
    for batch in (images, images[:1], torch.cat([images, images])):
        found = session.run(None, {"pixel_values": batch.cpu().numpy()})[0]
        wanted = predict(request, batch, is_dense=is_dense).cpu()
        errors.append(compute_largest_error(torch.from_numpy(found), wanted))
    if not max(errors) <= TOLERANCE:
        raise RuntimeError(
            f"the graph's outputs in onnxruntime differ from the routed model's by "
            f"{max(errors):.1e} of the largest entry, where {TOLERANCE:.0e} is allowed"
        )
    return {
        "probe_error": max(errors), "probe_tolerance": TOLERANCE,
        "input": ["batch", *images.shape[1:]], "onnxruntime": runtime.__version__,
        "modules": sorted(get_adapter_layers(model, adapter)),
    }  # fmt: skip


def make_dense(request: ExtractRequest) -> nn.Module:
    """Return one task of a `MultiTaskVisionModel`, with all experts."""
    model, adapter = request.model, request.adapter
    use = {
        name: {"chosen": [1.0] * layer.coterie_site[adapter].mixture.num_experts}
        for name, layer in get_adapter_layers(model, adapter).items()
    }
    everything = PruningOptions(threshold=0.0)
    return prune(model, task=request.task, use=use, pruning=everything, adapter=adapter).float()


def make_merged(request: ExtractRequest) -> nn.Module:
    """Return a vision model with a constant mixture merged into its weights."""
    model, adapter = request.model, request.adapter
    shares = make_fixed_task_loras(model, adapter, request.task)
    check(model, shares)
    base_model = copy_without_mixtures(model, adapter)
    merge(base_model, shares, torch.float32)
    return base_model


def load_examples(request: ExtractRequest) -> Images:
    """Return images: of the probe, of the run's data set, or random ones of the model's size."""
    if request.probe is not None:
        images = request.probe["pixel_values"]
    elif request.run is not None:
        images = next(request.load_image_batches(SPLIT, EXAMPLES))
    else:
        config: Any = request.model.get_base_model().config
        config = getattr(config, "backbone_config", config)
        side = config.image_size
        sides = (side, side) if isinstance(side, int) else tuple(side)
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(EXAMPLES, config.num_channels, *sides, generator=draw)
    repeated = images.repeat(EXAMPLES, *[1] * (images.ndim - 1))[:EXAMPLES]
    return repeated.float().to(next(request.model.parameters()).device)


def export(function: nn.Module, images: Images, file: Path) -> None:
    """Write the graph for any number of images of this size, weights in the same file."""
    batch = {"pixel_values": {0: torch.export.Dim("batch", min=1, max=2**16)}}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter, about itself
        graph = torch.onnx.export(
            function, (images,), dynamo=True, input_names=["pixel_values"],
            output_names=["output"], dynamic_shapes=batch, verbose=False,
        )  # fmt: skip
        assert graph is not None
        graph.save(str(file))


@torch.no_grad()
def predict(request: ExtractRequest, images: Images, *, is_dense: bool) -> Predictions:
    """Predict with the routed model."""
    model, adapter, task = request.model, request.adapter, request.task
    if is_dense:
        return predict_routed(model, task, adapter, images)
    tasks = get_adapter_config(model, adapter).tasks
    of_task = {"coterie_task_ids": torch.full((len(images),), tasks.index(task))} if tasks else {}
    with use_single_adapter(model, adapter):
        return get_model_output(model(pixel_values=images, **of_task)).float()
