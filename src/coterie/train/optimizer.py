"""The optimizer of a stage: AdamW, with groups by learning rate and weight decay."""

from typing import Any

import torch
from torch import nn

from coterie.recipe import Stage
from coterie.train.stage_context import StageContext
from coterie.train.trainable import TrainableParameters


def make_optimizer(context: StageContext, device: torch.device) -> torch.optim.Optimizer:
    """Make the AdamW of a stage's trained parameters, fused where the device has it."""
    stage = context.stage
    groups = parameter_groups(context.model, context.balancing, context.trainable, stage)
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, lr=stage.learning_rate, eps=stage.epsilon, fused=fused)


def parameter_groups(
    model: nn.Module, balancing: nn.Module, trained: TrainableParameters, stage: Stage
) -> list[dict[str, Any]]:
    """Return the trained parameters by learning rate and weight decay, for torch's optimizers.

    Parameters of at most one axis (biases, norms) do not decay. The stage's own rate comes first.
    """
    learning_rate, weight_decay = stage.learning_rate, stage.weight_decay
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
