"""Cross entropy of answer tokens, with logits computed at the positions that need them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie.tasks.losses import ItemLosses
from coterie.tasks.text.collator import IGNORE_INDEX


def compute_token_losses(
    model: nn.Module, head: nn.Module | None, inputs: dict[str, Any]
) -> ItemLosses:
    """Run the model on a collator's batch and return the cross entropy of answer tokens, in nats.

    The labels are not passed to the model, which would convert the logits of all positions to
    float32 and return their mean. The output head, from hidden states to logits (None if unknown),
    computes logits only at positions that predict an answer token: most batches have few of them,
    and the vocabulary projection is a good part of a small model's step.

    Raises ValueError if the model returns no logits for each token.
    """
    arguments = dict(inputs)
    labels = arguments.pop("labels")
    # Position i predicts token i + 1.
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    selected = (targets != IGNORE_INDEX).nonzero(as_tuple=True)
    prompt = arguments["attention_mask"].bool() & ((labels != IGNORE_INDEX).cumsum(1) == 0)
    with select_answer_positions(head, labels.shape, selected) as narrowed:
        logits = model(**arguments, prompt_mask=prompt).logits
    if narrowed:
        logits = logits.reshape(-1, logits.shape[-1])
    elif logits.shape[:2] == labels.shape:
        logits = logits[selected]
    if logits.ndim != 2 or logits.shape[0] != len(selected[0]):
        raise ValueError(
            f"the model returned logits of shape {tuple(logits.shape)} for tokens of shape "
            f"{tuple(labels.shape)}: coterie trains models that give logits for each token"
        )
    losses = F.cross_entropy(logits.float(), targets[selected], reduction="none")
    return ItemLosses(losses, arguments["task_ids"][selected[0]])


@contextmanager
def select_answer_positions(
    head: nn.Module | None, shape: torch.Size, selected: tuple[Tensor, ...]
) -> Iterator[list[bool]]:
    """Restrict `head` to the selected positions; the list is not empty once it was called so."""
    narrowed: list[bool] = []
    if head is None:
        yield narrowed
        return

    def pick(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or args[0].shape[:2] != shape:
            return None
        narrowed.append(True)
        return (args[0][selected][None], *args[1:])

    handle = head.register_forward_pre_hook(pick)
    try:
        yield narrowed
    finally:
        handle.remove()
