"""Tasks on the pictures of a dense data set, compared in the blocks that they share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie.dense.collate import PictureCollator, known
from coterie.dense.rows import DenseSample, DenseSet
from coterie.dense.task import DenseTask
from coterie.dense.vision import Seen, Vision
from coterie.diagnose.gradients import Space, space
from coterie.diagnose.probe import factors, restored
from coterie.diagnose.subject import Subject, parted
from coterie.pretrained import Pretrained
from coterie.train.pictures import picture_losses

if TYPE_CHECKING:
    from coterie.dense.model import MultiTaskVision

PLACE = "vision"


class Pictures(Subject):
    """The tasks have the same pictures, but for those without a label; losses are of pictures.

    One task is run at a time: the rows of a pass do not meet, so the losses are training's.
    Pictures are seen as in evaluation, without what chance does to them in training.
    """

    paired = True

    def __init__(
        self,
        loaded: Pretrained,
        pictures: DenseSet,
        *,
        vision: Vision,
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
        self.model, self.tasks, self.split = loaded.model, pictures.tasks, split
        self.names = tuple(task.name for task in self.tasks)
        self.host = host_for(loaded, self.tasks)
        self.settings = {"shared_layers": self.host.config.shared_layers}
        self.rows = Seen(pictures.rows(split, skip_bad_rows=skip_bad_rows), self.tasks, vision)
        mean, std = loaded.processor.mean, loaded.processor.std
        self.collators = [PictureCollator((task,), mean=mean, std=std) for task in self.tasks]

    def drawn(self, batches: int, batch_size: int, *, seed: int) -> list[list[list[int]]]:
        """Numbers of rows, whose pictures are read when they are needed; see `Subject`."""
        labelled: dict[str, list[int]] = {name: [] for name in self.names}
        for index in np.random.default_rng(seed).permutation(len(self.rows)).tolist():
            short = [t for t in self.tasks if len(labelled[t.name]) < batches * batch_size]
            if not short:
                break
            sample = self.rows[index]
            for task in short:
                if is_labelled(sample, task):
                    labelled[task.name].append(index)
        has = f"pictures with a label in the {self.split!r} split"
        return [
            parted(found, batches, batch_size, task=name, has=has)
            for name, found in labelled.items()
        ]

    @contextmanager
    def places(self, *, seed: int) -> Iterator[tuple[nn.Module, Mapping[str, Space]]]:
        """What a run's adapter trained, and the weights of blocks that all tasks share."""
        model = self.model
        with restored(model):
            adapter = model.active_adapters[0] if isinstance(model, PeftModel) else ""
            found = {"adapter": factors(model, adapter), "blocks": shared(self.host)}
            yield model, {kind: space(named, _tower) for kind, named in found.items() if named}

    def loss(self, model: nn.Module, task: int, batch: Sequence[int]) -> Float[Tensor, ""]:
        device, name = next(model.parameters()).device, self.names[task]
        inputs = self.collators[task]([self.rows[index] for index in batch])
        truth = {kind: {name: inputs[kind][name].to(device)} for kind in ("labels", "known")}
        low = any(each.dtype == torch.bfloat16 for each in model.parameters())
        # As in training: autocast brings float32 heads and experts together with bfloat16 weights.
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            said = model(pixel_values=inputs["pixel_values"].to(device), tasks=(name,))
        return picture_losses(self.tasks[task], said.predictions[name], truth).mean()


def is_labelled(sample: DenseSample, task: DenseTask) -> bool:
    """Whether anything of the task is known of a picture."""
    label = sample.labels.get(task.name)
    return label is not None and bool(known(label[None], task))


def host_for(loaded: Pretrained, tasks: Sequence[DenseTask]) -> "MultiTaskVision":
    """The host in a model. Raises ValueError for another one, or one without a head for a task."""
    # Heavy: transformers' models.
    from coterie.dense.model import MultiTaskVision

    model: Any = loaded.model
    host = model.get_base_model() if isinstance(model, PeftModel) else model
    if not isinstance(host, MultiTaskVision):
        raise ValueError(
            f"tasks is a dense data set, and {loaded.name!r} is a {type(host).__name__}: give a "
            "coterie.dense.model.MultiTaskVision, or the folder or hub id of a vision model"
        )
    host.config.chosen([task.name for task in tasks])
    channels = {each["name"]: each["channels"] for each in host.config.tasks}
    for task in tasks:
        if task.channels != channels[task.name]:
            raise ValueError(
                f"task {task.name!r} needs a head of {task.channels} channels, and that of "
                f"{loaded.name!r} has {channels[task.name]}: give the data set it was trained on"
            )
    return host


def shared(host: "MultiTaskVision") -> dict[str, nn.Parameter]:
    """The weights of the blocks that may hold experts, but for those of experts and gates.

    Where experts have replaced a block's part, its weights get no gradient. They all need
    gradients from then on.
    """
    blocks = list(host.blocks())[host.config.shared_layers :]
    mine = {id(each) for block in blocks for each in block.parameters()}
    named = {
        name: each
        for name, each in host.named_parameters()
        if id(each) in mine and ".coterie_" not in name
    }
    for each in named.values():
        each.requires_grad_(True)
    return named


def _tower(name: str) -> str:
    """All of the model is one tower."""
    return PLACE
