"""`try_batch`: one batch through the model that a run would train: its loss and memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from coterie.graft import graft
from coterie.models.loading import LoadedModel
from coterie.tasks.losses import sum_by_task
from coterie.train.config import RunConfig
from coterie.train.datasets import MultiTaskDataset
from coterie.train.trainable import make_stage_mixtures, select_trainable

GIB = 1024**3
GRADIENT_BYTES = 4
OPTIMIZER_BYTES = 8
"""Of AdamW for each trained parameter: two moments in float32."""


@dataclass(frozen=True, kw_only=True)
class BatchTrial:
    """What one batch through the model of a run's first stage shows.

    Attributes:
        loss: the mean over tasks; None if no batch was tried.
        num_samples: in the batch; the longest ones there are.
        weight_bytes: of all weights, frozen or trained.
        num_trained: trained parameters.
        activation_bytes: what the forward pass stored for the backward one.
        batch_size: samples of a forward pass in training, on one device.
    """

    loss: float
    num_samples: int
    weight_bytes: int
    num_trained: int
    activation_bytes: int
    batch_size: int

    @property
    def total_bytes(self) -> int:
        """An estimate of the memory that training needs, without the libraries' own."""
        activations = self.activation_bytes * self.batch_size // max(1, self.num_samples)
        trained = self.num_trained * (GRADIENT_BYTES + OPTIMIZER_BYTES)
        return self.weight_bytes + trained + activations

    def describe(self) -> str:
        """Return the estimate with its formula."""
        each = self.activation_bytes / max(1, self.num_samples)
        return (
            f"memory, an estimate: {self.total_bytes / GIB:.2f} GiB = "
            f"{self.weight_bytes / GIB:.2f} weights + {self.num_trained:,} trained parameters x "
            f"({GRADIENT_BYTES} bytes of gradient + {OPTIMIZER_BYTES} of AdamW) + "
            f"{self.batch_size} samples a forward pass x {each / GIB:.3f} activations of the "
            "longest samples; without the libraries' own"
        )


def try_batch(config: RunConfig, base: LoadedModel, samples: MultiTaskDataset) -> BatchTrial:
    """Run one batch through the model of the first stage, grafted on `base`, as training does.

    Raises ValueError if the loss is not finite, or the batch does not fit the model.
    """
    stage = config.resolve_stages(samples.sizes)[0]
    for parameter in base.model.parameters():
        parameter.requires_grad_(False)
    model: Any = graft(
        base.model, make_stage_mixtures(config.recipe.mixtures, stage), tasks=config.task_names
    )
    select_trainable(model, stage)
    model.train()
    size = max(1, config.get_global_batch_size(stage) // config.accumulation)
    chosen = [samples[place] for place in choose_longest(samples, size)]
    batch = config.make_collator(base.processor)(chosen)
    device = next(model.parameters()).device
    inputs: Any = send_to_device(batch, device)
    stored = StoredTensors(model)
    with torch.autograd.graph.saved_tensors_hooks(stored.add, lambda each: each):
        losses = config.tasks.compute_losses(model, model.get_base_model(), inputs)
    sums = sum_by_task(losses, len(config.task_names))
    known = sums.counts > 0
    means = (sums.sums[known] / sums.counts[known]).detach()
    loss = float(means.mean()) if bool(known.any()) else 0.0
    if not math.isfinite(loss):
        names = ", ".join(config.tasks.get_task_names(batch))
        raise ValueError(f"the loss is {loss} in a batch of {names}: {base.name} is damaged, or "
                         "overflows in this precision")  # fmt: skip
    return BatchTrial(
        loss=loss, num_samples=len(chosen), batch_size=size,
        weight_bytes=sum(each.numel() * each.element_size() for each in model.parameters()),
        num_trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
        activation_bytes=stored.num_bytes,
    )  # fmt: skip


class StoredTensors:
    """Counts the bytes that autograd stores for the backward pass, but for the model's weights."""

    def __init__(self, model: nn.Module) -> None:
        self.seen = {each.untyped_storage().data_ptr() for each in model.parameters()}
        self.num_bytes = 0

    def add(self, values: Tensor) -> Tensor:
        """Count a stored tensor, each memory once."""
        storage = values.untyped_storage()
        if storage.data_ptr() not in self.seen:
            self.seen.add(storage.data_ptr())
            self.num_bytes += storage.nbytes()
        return values


def choose_longest(samples: MultiTaskDataset, count: int) -> list[tuple[int, int, int]]:
    """Return the places of the longest samples, of the data sets in turn."""
    orders: list[Sequence[int]] = []
    for rows in samples.datasets:
        lengths = getattr(rows, "token_counts", None) or [0] * len(rows)
        orders.append(sorted(range(len(rows)), key=lambda i, known=lengths: -known[i])[:count])
    ranks = range(max(map(len, orders)))
    places = [(task, order[rank], 0) for rank in ranks for task, order in enumerate(orders)
              if rank < len(order)]  # fmt: skip
    return places[:count]
