"""Tasks on the pictures of a dense data set, compared in the blocks that they share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.diagnose.gradients import ParameterSpace, group_parameters
from coterie.diagnose.probe import find_adapter_parameters, preserve_flags
from coterie.diagnose.spaces import GradientSource, split_into_batches
from coterie.models.loading import LoadedModel
from coterie.tasks.dense.collator import DenseCollator, find_labelled_images
from coterie.tasks.dense.dataset import DenseDataset, DenseSample
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_set import compute_task_losses
from coterie.tasks.dense.vision_config import ResizedDataset, VisionConfig

if TYPE_CHECKING:
    from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

SPACE_NAME = "vision"


class DenseGradientSource(GradientSource):
    """The tasks have the same pictures, but for those without a label; losses are of pictures.

    One task is run at a time: the rows of a pass do not meet, so the losses are training's.
    Pictures are seen as in evaluation, without what chance does to them in training.
    """

    paired = True

    def __init__(
        self,
        loaded: LoadedModel,
        dataset: DenseDataset,
        *,
        vision: VisionConfig,
        split: str,
        skip_bad_rows: bool = False,
    ) -> None:
        """
        Args:
            loaded: a `MultiTaskVision`, grafted or not, and what makes its batches.
            pictures: the data set, with the tasks that are compared.
            vision: how pictures are seen.
            split: which pictures.
            skip_bad_rows: go on without damaged ones.

        Raises ValueError for another model, and for tasks that it has no heads for.
        """
        self.model, self.tasks, self.split = loaded.model, dataset.tasks, split
        self.names = tuple(task.name for task in self.tasks)
        self.multitask_model = find_multitask_model(loaded, self.tasks)
        self.settings = {"shared_layers": self.multitask_model.config.shared_layers}
        self.dataset = ResizedDataset(
            dataset.load_split(split, skip_bad_rows=skip_bad_rows), self.tasks, vision
        )
        mean, std = loaded.processor.mean, loaded.processor.std
        self.collators = [DenseCollator((task,), mean=mean, std=std) for task in self.tasks]

    def sample_batches(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[int]]]:
        """Numbers of rows, whose pictures are read when they are needed; see `Subject`."""
        labelled: dict[str, list[int]] = {name: [] for name in self.names}
        for index in np.random.default_rng(seed).permutation(len(self.dataset)).tolist():
            short = [t for t in self.tasks if len(labelled[t.name]) < batches * batch_size]
            if not short:
                break
            sample = self.dataset[index]
            for task in short:
                if is_labelled(sample, task):
                    labelled[task.name].append(index)
        has = f"pictures with a label in the {self.split!r} split"
        return [
            split_into_batches(found, batches, batch_size, task=name, has=has)
            for name, found in labelled.items()
        ]

    @contextmanager
    def open_spaces(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, ParameterSpace]]]:
        """What a run's adapter trained, and the weights of blocks that all tasks share."""
        model = self.model
        with preserve_flags(model):
            adapter = model.active_adapters[0] if isinstance(model, PeftModel) else ""
            found = {
                "adapter": find_adapter_parameters(model, adapter),
                "blocks": list_shared_parameters(self.multitask_model),
            }
            yield (
                model,
                {
                    kind: group_parameters(named, _get_tower)
                    for kind, named in found.items()
                    if named
                },
            )

    def compute_loss(self, model: nn.Module, task: int, batch: Sequence[int]) -> Float[Tensor, ""]:
        device, name = next(model.parameters()).device, self.names[task]
        inputs = self.collators[task]([self.dataset[index] for index in batch])
        truth = {kind: {name: inputs[kind][name].to(device)} for kind in ("labels", "known")}
        low = any(each.dtype == torch.bfloat16 for each in model.parameters())
        # As in training: autocast brings float32 heads and experts together with bfloat16 weights.
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            said = model(pixel_values=inputs["pixel_values"].to(device), tasks=(name,))
        return compute_task_losses(self.tasks[task], said.predictions[name], truth).mean()


def is_labelled(sample: DenseSample, task: DenseTask) -> bool:
    """Whether anything of the task is known of a picture."""
    label = sample.labels.get(task.name)
    return label is not None and bool(find_labelled_images(label[None], task))


def find_multitask_model(loaded: LoadedModel, tasks: Sequence[DenseTask]) -> "MultiTaskVisionModel":
    """The host in a model. Raises ValueError for another one, or one without a head for a task."""
    # Heavy: transformers' models.
    from coterie.models.multitask_vision.modeling import MultiTaskVisionModel

    model: Any = loaded.model
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(host, MultiTaskVisionModel):
        raise ValueError(
            f"tasks is a dense data set, and {loaded.name!r} is a {type(host).__name__}: give a "
            "coterie.models.MultiTaskVisionModel, or the folder or hub id of a vision model"
        )
    host.config.resolve_tasks([task.name for task in tasks])
    channels = {each["name"]: each["channels"] for each in host.config.tasks}
    for task in tasks:
        if task.channels != channels[task.name]:
            raise ValueError(
                f"task {task.name!r} needs a head of {task.channels} channels, and that of "
                f"{loaded.name!r} has {channels[task.name]}: give the data set it was trained on"
            )
    return host


def list_shared_parameters(model: "MultiTaskVisionModel") -> dict[str, nn.Parameter]:
    """The weights of the blocks that may hold experts, but for those of experts and gates.

    Where experts have replaced a block's part, its weights get no gradient. They all need
    gradients from then on.
    """
    blocks = list(model.get_blocks())[model.config.shared_layers :]
    mine = {id(each) for block in blocks for each in block.parameters()}
    named = {
        name: each
        for name, each in model.named_parameters()
        if id(each) in mine and ".coterie_" not in name
    }
    for each in named.values():
        each.requires_grad_(True)
    return named


def _get_tower(name: str) -> str:
    """All of the model is one tower."""
    return SPACE_NAME
