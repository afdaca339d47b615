"""`TaskGradients`: the gradients of the tasks' losses, for balancings that combine gradients."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor, nn

from coterie import distributed
from coterie.tasks.losses import TaskLossSums
from coterie.train.trainable import match_new_parameters


class TaskGradients:
    """Gradients of the tasks' summed losses and of the routing losses, over the parts of a step.

    The aggregator gets the gradients of the mean losses (the sums over all parts and processes,
    divided by the numbers of items) with respect to the shared parameters: a row for each task
    with items in the step, none for the others. Parameters of single tasks (heads, task
    embeddings) get the gradient of their task, as shared and task-specific parameters are treated
    in TorchJD's `mtl_backward` and in Sener and Koltun 2018 (arXiv:1810.04650, section 3.1).

    The gradient of the routing losses is added to the combined one, unchanged: they regularise
    the gates and are not tasks. As rows of their own they would be balanced against the tasks, and
    MGDA, whose result is no longer than its shortest row, would stop training once they are met.
    """

    def __init__(
        self, shared: Sequence[nn.Parameter], task_specific: Sequence[nn.Parameter], *, tasks: int
    ) -> None:
        """Allocate float32 memory of (tasks + 1) times the parameters, on their device."""
        self.parameters = (*shared, *task_specific)
        self.num_shared = sum(each.numel() for each in shared)
        self.sizes = [each.numel() for each in self.parameters]
        device = self.parameters[0].device
        shape = (tasks + 1, sum(self.sizes))
        self.rows: Float[Tensor, "objectives parameters"] = torch.zeros(shape, device=device)
        self.counts = torch.zeros(tasks, device=device)

    @classmethod
    def from_model(cls, model: PeftModel, *, tasks: int) -> "TaskGradients":
        """Create empty gradients of all trained parameters of a model."""
        shared, task_specific = [], []
        own = match_new_parameters(model)
        for name, each in model.named_parameters():
            if each.requires_grad:
                (task_specific if name in own else shared).append(each)
        return cls(shared, task_specific, tasks=tasks)

    def add(self, found: TaskLossSums, routing: Sequence[Float[Tensor, ""]]) -> None:
        """Add the gradients of one part of a step, and free its graph."""
        present = found.counts.nonzero().flatten().tolist()
        objectives = {task: found.sums[task] for task in present}
        if routing:
            objectives[-1] = torch.stack(list(routing)).sum()
        for number, (row, objective) in enumerate(objectives.items(), 1):
            keep = number < len(objectives)
            gradients = torch.autograd.grad(
                objective, self.parameters, retain_graph=keep, allow_unused=True
            )
            for sums, gradient in zip(self.rows[row].split(self.sizes), gradients, strict=True):
                if gradient is not None:
                    sums += gradient.reshape(-1)
        self.counts += found.counts

    def reduce(self) -> None:
        """Sum the tasks' gradients over all processes, and average those of routing losses."""
        distributed.all_reduce_sum(self.rows, self.counts)
        self.rows[-1] /= distributed.get_world_size()

    def is_finite(self) -> bool:
        """Whether all gradients are finite numbers."""
        return bool(self.rows.isfinite().all())

    def combine(self, aggregator: nn.Module) -> Float[Tensor, " parameters"]:
        """Return the combined gradient of the step, shared parameters first."""
        present = self.counts > 0
        means = self.rows[:-1][present] / self.counts[present, None]
        combined = means.sum(0)
        if len(means):
            combined[: self.num_shared] = aggregator(means[:, : self.num_shared])
        combined += self.rows[-1]
        # An aggregator may use random numbers, which differ between processes.
        distributed.broadcast_from_rank_zero(combined)
        return combined

    def write(self, combined: Float[Tensor, " parameters"]) -> None:
        """Set `.grad` of the parameters to a combined gradient, and clear all sums."""
        for parameter, values in zip(self.parameters, combined.split(self.sizes), strict=True):
            # In the parameter's own memory layout: fused optimizers give wrong results in another.
            parameter.grad = torch.empty_like(parameter).copy_(values.view(parameter.shape))
        self.rows.zero_()
        self.counts.zero_()
