"""The scalar that a training step minimises, exact under gradient accumulation."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coterie.tasks.losses import TaskLossSums


class PartLosses(NamedTuple):
    """Losses of one part of a step, with their graphs.

    Attributes:
        total: what is logged, and minimised unless gradients are balanced: the balanced loss and
            the routing losses.
        tasks: sums of the tasks' losses.
        routing: the routing losses, each divided by the number of parts.
    """

    total: Float[Tensor, ""]
    tasks: TaskLossSums
    routing: list[Float[Tensor, ""]]


def compute_objective(
    found: TaskLossSums, balancing: nn.Module, total: Float[Tensor, ""] | float
) -> Float[Tensor, ""]:
    """The balanced loss of a part of a batch; the parts' add up to the whole batch's.

    sum_t n_t / n balancing_t(L_t): each task's balanced mean loss, weighted by its share of the
    step's answer tokens. With `Fixed()` it is the mean over all tokens, as any trainer has it;
    with `Uncertainty` it is the mean over tokens of the paper's likelihood. How often a task
    comes is thus the mix's business alone. Parts add up as long as the balancing is linear in
    the losses but for a constant, as both are.

    Args:
        found: the sums of this part.
        balancing: what `Balancing.build` gave.
        total: n, the answer tokens of the whole step over all parts and devices; on pictures,
            where n_t is the number of them with a label of task t, the pictures. Where all are
            labelled, that makes it sum_t balancing_t(L_t), as in Mod-Squad and M3ViT.
    """
    means = found.sums / found.counts.clamp_min(1.0)
    alone = torch.eye(len(means), dtype=torch.bool, device=means.device)
    terms = torch.stack([balancing(means, present) for present in alone])
    return (terms * found.counts).sum() / total
