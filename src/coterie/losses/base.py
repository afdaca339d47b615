"""The interface of routing losses, and the sums over all processes that they use."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, distributed

from coterie.annotations import check_choices
from coterie.routing.decision import Routing, Tape
from coterie.routing.features import LayerFeatures

Loss = Float[Tensor, ""]
PerExpert = Float[Tensor, "units experts"]
PerTask = Float[Tensor, "*tasks experts"]


class RoutingLoss(ABC):
    """A pure function of routings. Kinds are frozen keyword-only dataclasses.

    It is a function of sums over the units of the global batch, so that it does not depend on the
    number of processes. All processes must therefore have called the same layers in the same order
    before they compute it.
    """

    reads_features: ClassVar[bool] = False
    """Whether it reads `Routing.features`."""
    weight: float
    """Factor of the sum over layers, finite and at least 0."""

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 <= self.weight < math.inf:
            raise ValueError(
                f"{type(self).__name__}(weight={self.weight}): give a finite number, at least 0"
            )

    @abstractmethod
    def compute(self, routing: Routing) -> Loss:
        """Compute the loss of one layer in float32, without the weight; padding does not count."""

    def adapt(self, factor: Loss, tape: Tape, *, share: float) -> Loss:
        """Return the next factor of the loss, beside `weight`; it starts at 1 in each stage.

        `tape` is that of a `share`, in (0, 1], of a step's samples. All processes call it.
        """
        return factor

    def get_features(self, routing: Routing) -> LayerFeatures:
        """Return a layer's features. Raises ValueError if the tape did not keep them."""
        if routing.features is None:
            raise ValueError(
                f"{type(self).__name__} reads the layers' inputs, which this tape does not have: "
                "record it with coterie.observe(model, features=True)"
            )
        return routing.features

    def __call__(self, tape: Tape) -> Loss:
        """Compute `weight` times the sum over the layers of a tape; ValueError if it is empty."""
        if not tape:
            raise ValueError(
                f"{type(self).__name__} was given an empty tape: call a model that `coterie.graft` "
                "returned inside `with coterie.observe(model) as tape:`, and then the loss"
            )
        return self.weight * torch.stack([self.compute(routing) for routing in tape.values()]).sum()


def mask_padding(values: PerExpert, routing: Routing) -> PerExpert:
    """Return `values` in float32, with 0 where a unit is padding (even if it was NaN)."""
    values = values.float()  # sums over many thousand units stop growing in bfloat16
    return values if routing.valid is None else values.where(routing.valid[:, None], 0.0)


def count_units(routing: Routing) -> Loss:
    """Count the units of the global batch that are not padding; at least 1, as a divisor."""
    units = torch.ones_like(routing.probs[:, :1])
    return sum_over_processes(mask_padding(units, routing).sum()).clamp_min(1.0)


def sum_over_processes(local: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the sum of `local` over all processes; `local` itself if there is one process.

    The gradient reaches only this process's part, multiplied by the number of processes P.
    For a loss f(s_1 + ... + s_P), process p thus computes P f' ds_p, and the mean over processes
    that DistributedDataParallel and FSDP take of gradients is f' (ds_1 + ... + ds_P): exactly the
    gradient of one process with the global batch, with no communication in backward.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return local
    total = local.detach().clone()
    distributed.all_reduce(total)
    return total + distributed.get_world_size() * (local - local.detach())


def gather_over_processes(local: Float[Tensor, "samples width"]) -> Float[Tensor, "batch width"]:
    """Return the rows of all processes, one's after another's; gradients as `sum_over_processes`.

    The processes may have different numbers of rows.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return local
    counts = torch.zeros(distributed.get_world_size(), dtype=torch.int64, device=local.device)
    counts[distributed.get_rank()] = len(local)
    distributed.all_reduce(counts)
    before = int(counts[: distributed.get_rank()].sum())
    behind = int(counts.sum()) - before - len(local)
    ends = (local.new_zeros(rows, local.shape[1]) for rows in (before, behind))
    return sum_over_processes(torch.cat([next(ends), local, next(ends)]))


def sum_units(values: PerExpert, routing: Routing, loss: str, *, by_task: bool) -> PerTask:
    """Sum `values` over all units of the global batch, or over those of each task.

    Raises ValueError, with the name of the loss, for sums by task if the units have no tasks.
    """
    masked = mask_padding(values, routing)
    if not by_task:
        return sum_over_processes(masked.sum(0))
    if routing.task is None or not routing.num_tasks:
        raise ValueError(
            f"{loss} needs the task of each unit: name the tasks with "
            "coterie.graft(..., tasks=(...)) and pass task_ids=... to the model in each call"
        )
    sums = masked.new_zeros(routing.num_tasks, values.shape[1])
    # Not a product with one-hot rows, which autocast would run in bfloat16.
    return sum_over_processes(sums.index_add(0, routing.task, masked))
