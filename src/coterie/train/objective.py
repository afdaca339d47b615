"""The loss of each item, and the one number that is trained, exact under accumulation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

IGNORE_INDEX = -100


class ItemLosses(NamedTuple):
    """The loss of every answer token of a batch, or of every picture for every task, and its task.

    Float32; of answer tokens it is the cross entropy.
    """

    losses: Float[Tensor, " tokens"]
    task_ids: Int[Tensor, " tokens"]


class TaskLossSums(NamedTuple):
    """Sums of token losses and numbers of tokens, a task each."""

    sums: Float[Tensor, " tasks"]
    counts: Float[Tensor, " tasks"]


def compute_token_losses(
    model: nn.Module, head: nn.Module | None, inputs: dict[str, Any]
) -> ItemLosses:
    """Runs the model on a batch and gives the loss of each answer token.

    The model is not shown the labels: it would turn logits of all positions into float32 and
    into a mean. Its head sees the positions before answer tokens only, which in most batches are
    few; the vocabulary's product is a good part of a small model's step.

    Args:
        model: the grafted model, wrapped or not.
        head: the module that makes logits of hidden states; None if that is not known.
        inputs: the collator's batch, on the model's device.

    Raises ValueError if the model answers with no logits that fit.
    """
    given = dict(inputs)
    labels = given.pop("labels")
    # Position i predicts token i + 1.
    wanted = F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    sample, position = (wanted != IGNORE_INDEX).nonzero(as_tuple=True)
    prompt = given["attention_mask"].bool() & ((labels != IGNORE_INDEX).cumsum(1) == 0)
    with select_answer_positions(head, labels.shape, (sample, position)) as narrowed:
        logits = model(**given, prompt_mask=prompt).logits
    if narrowed:
        logits = logits.reshape(-1, logits.shape[-1])
    elif logits.shape[:2] == labels.shape:
        logits = logits[sample, position]
    if logits.ndim != 2 or logits.shape[0] != sample.shape[0]:
        raise ValueError(
            f"the model answers with logits of {tuple(logits.shape)} for tokens of "
            f"{tuple(labels.shape)}: coterie trains models that give logits for each token"
        )
    losses = F.cross_entropy(logits.float(), wanted[sample, position], reduction="none")
    return ItemLosses(losses, given["task_ids"][sample])


@contextmanager
def select_answer_positions(
    head: nn.Module | None, shape: torch.Size, picked: tuple[Tensor, Tensor]
) -> Iterator[list[bool]]:
    """Inside, `head` sees the picked positions only; the list has an entry once it did."""
    narrowed: list[bool] = []

    def pick(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or args[0].shape[:2] != shape:
            return None
        narrowed.append(True)
        return (args[0][picked][None], *args[1:])

    handle = None if head is None else head.register_forward_pre_hook(pick)
    try:
        yield narrowed
    finally:
        if handle is not None:
            handle.remove()


def sum_by_task(found: ItemLosses, tasks: int) -> TaskLossSums:
    """Sums of each of `tasks` tasks; in a fixed order, so that equal batches give equal bits."""
    mine: Bool[Tensor, "tasks tokens"] = (
        found.task_ids == torch.arange(tasks, device=found.task_ids.device)[:, None]
    )
    return TaskLossSums(torch.where(mine, found.losses, 0.0).sum(1), mine.sum(1).float())


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
