"""`DenseGradientSource`: dense tasks, compared in an adapter's parameters and in shared blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.models.loading import LoadedModel
from coterie.tasks.dense.collator import find_labelled_images
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.vision_config import ResizedDataset
from coterie.tasks.gradients import (
    GradientSource,
    OpenSpaces,
    Parameters,
    find_adapter_parameters,
    group_parameters,
    preserve_flags,
    split_into_batches,
)

if TYPE_CHECKING:
    from coterie.models.multitask_vision.modeling import MultiTaskVisionModel


class DenseGradientSource(GradientSource):
    """Gradients of dense tasks; all tasks use the same images, except unlabelled ones.

    Losses are means over images, preprocessed as in evaluation, without random augmentation. Tasks
    run one at a time: samples of a forward pass are independent, so they are those of training.
    """

    paired = True

    def __init__(self, loaded: LoadedModel, rows: ResizedDataset, *, split: str) -> None:
        """Compare the tasks of a split in a `MultiTaskVisionModel`, grafted or not.

        Raises ValueError for another kind of model, or for tasks without a head.
        """
        self.model, self.tasks, self.split = loaded.model, rows.tasks, split
        self.names = tuple(task.name for task in self.tasks)
        self.multitask_model = find_multitask_model(loaded, self.tasks)
        self.settings = {"shared_layers": self.multitask_model.config.shared_layers}
        self.dataset = rows
        self.collators = [replace(loaded.processor, tasks=(task,)) for task in self.tasks]

    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[int]]]:
        """Sample batches of indices; images are read on access."""
        labelled: dict[str, list[int]] = {name: [] for name in self.names}
        for index in np.random.default_rng(seed).permutation(len(self.dataset)).tolist():
            short = [t for t in self.tasks if len(labelled[t.name]) < batches * batch_size]
            if not short:
                break
            sample = self.dataset[index]
            for task in short:
                label = sample.labels.get(task.name)
                if label is not None and find_labelled_images(label[None], task):
                    labelled[task.name].append(index)
        has = f"images with a label in the {self.split!r} split"
        return [
            split_into_batches(found, batches, batch_size, task=name, has=has)
            for name, found in labelled.items()
        ]

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[OpenSpaces]:
        """Provide the adapter's parameters, and the weights of blocks that tasks share."""
        model = self.model
        with preserve_flags(model), use_float32(model):
            adapter = model.active_adapters[0] if isinstance(model, PeftModel) else ""
            own = find_adapter_parameters(model, adapter)
            found = {"adapter": own, "blocks": find_shared_parameters(self.multitask_model)}
            named = {kind: each for kind, each in found.items() if each}
            yield model, {key: group_parameters(named[key], lambda _: "vision") for key in named}

    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[int]) -> Float[Tensor, ""]:
        device, name = next(model.parameters()).device, self.names[task]
        inputs = self.collators[task]([self.dataset[index] for index in batch])
        labels = {kind: {name: inputs[kind][name].to(device)} for kind in ("labels", "known")}
        output = model(pixel_values=inputs["pixel_values"].to(device), tasks=(name,))
        return self.tasks[task].compute_weighted_losses(output.predictions[name], labels).mean()


@contextmanager
def use_float32(model: nn.Module) -> Iterator[None]:
    """Convert weights to float32, as bfloat16 would round away small steps, and back afterwards."""
    tensors = chain(model.parameters(), model.buffers())
    dtypes = {each: each.dtype for each in tensors if each.is_floating_point()}
    for each in dtypes:
        each.data = each.data.float()
    try:
        yield
    finally:
        for each, dtype in dtypes.items():
            each.data = each.data.to(dtype)


def find_multitask_model(loaded: LoadedModel, tasks: Sequence[DenseTask]) -> "MultiTaskVisionModel":
    """Return the base model. Raises ValueError for another kind, or if a task has no head in it."""
    # Heavy: transformers' models.
    from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

    model: Any = loaded.model
    base_model = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(base_model, MultiTaskVisionModel):
        raise ValueError(
            f"dense tasks need a {MultiTaskVisionModel.__module__}."
            f"{MultiTaskVisionModel.__name__}, and {loaded.name!r} is a "
            f"{type(base_model).__name__}: give one, or the folder or hub id of a vision backbone"
        )
    base_model.config.resolve_tasks([task.name for task in tasks])
    channels = {each["name"]: each["channels"] for each in base_model.config.tasks}
    for task in tasks:
        if task.channels != channels[task.name]:
            raise ValueError(
                f"task {task.name!r} needs a head of {task.channels} channels, and that of "
                f"{loaded.name!r} has {channels[task.name]}: give the data set it was trained on"
            )
    return base_model


def find_shared_parameters(model: "MultiTaskVisionModel") -> Parameters:
    """Return the base weights of the blocks that may have experts, with `requires_grad` set."""
    in_blocks = {each for block in model.get_own_blocks() for each in block.parameters()}
    found = {
        name: each
        for name, each in model.named_parameters()
        if each in in_blocks and ".coterie_" not in name
    }
    for each in found.values():
        each.requires_grad_(True)
    return found
