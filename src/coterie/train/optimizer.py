"""The optimizer of a stage: AdamW, with groups by learning rate and weight decay."""

from typing import Any

import torch
from torch import nn
from transformers import TrainingArguments

from coterie.train.stage_context import StageContext
from coterie.train.trainable import TrainableParameters

BETAS = (0.9, 0.999)


def make_optimizer(context: StageContext, args: TrainingArguments) -> torch.optim.Optimizer:
    """Make the AdamW of a stage's trained parameters."""
    groups = parameter_groups(
        context.model, context.balancing, context.trainable,
        learning_rate=args.learning_rate, weight_decay=args.weight_decay,
    )  # fmt: skip
    return torch.optim.AdamW(
        groups, lr=args.learning_rate, betas=BETAS, eps=args.adam_epsilon,
        fused=args.device.type in ("cpu", "cuda"),
    )  # fmt: skip


def parameter_groups(
    model: nn.Module,
    balancing: nn.Module,
    trained: TrainableParameters,
    *,
    learning_rate: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Return the trained parameters by learning rate and weight decay, for torch's optimizers.

    Parameters of at most one axis (biases, norms) do not decay. The stage's own rate comes first.
    """
    named = [
        *((name, each, each.ndim > 1 and name not in trained.undecayed)
          for name, each in model.named_parameters()),
        *((name, each, trained.decays_balancing) for name, each in balancing.named_parameters()),
    ]  # fmt: skip
    rates = dict.fromkeys([learning_rate, *trained.learning_rates.values()])
    groups: dict[tuple[float, float], list[nn.Parameter]] = {
        (rate, decay): [] for rate in rates for decay in (weight_decay, 0.0)
    }
    for name, each, decays in named:
        if each.requires_grad:
            rate = trained.learning_rates.get(name, learning_rate)
            groups[rate, weight_decay if decays else 0.0].append(each)
    return [
        {"params": learns, "lr": rate, "weight_decay": decay}
        for (rate, decay), learns in groups.items()
        if learns
    ]
