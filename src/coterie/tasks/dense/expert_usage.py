"""Which experts each task of a `MultiTaskVisionModel` uses, measured over batches of images."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

from coterie.graft import observe
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.routing.usage import ExpertUsage, UsageStatistics


@torch.no_grad()
def measure_usage_by_task(
    model: PeftModel,
    batches: Iterable[Float[Tensor, "batch channels height breadth"]],
    *,
    tasks: Sequence[str] | None = None,
) -> UsageStatistics:
    """Return layer -> statistic -> task -> a number for each expert, over every token.

    Tasks run one at a time, so that numbers are exactly those that the task alone would give.

    Args:
        model: a grafted `MultiTaskVisionModel`; it is in eval mode meanwhile.
        batches: images, as the model takes them.
        tasks: names; None for all.

    Raises ValueError for a model of another kind, or a task there is not.
    """
    base: Any = model.get_base_model()
    if not isinstance(base, MultiTaskVisionModel):
        raise ValueError(
            f"measure_usage_by_task takes a grafted MultiTaskVisionModel, not "
            f"{type(base).__name__}: give the model of a run on dense tasks"
        )
    usage = ExpertUsage(base.config.resolve_tasks(tasks))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        for images in batches:
            for task in usage.tasks:
                with observe(model) as tape:
                    model(pixel_values=images, tasks=(task,))
                usage.add(tape, task=task)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return usage.compute_means()
