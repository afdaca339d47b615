"""Expert usage of each task of a `MultiTaskVisionModel`, measured on batches of images."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

from coterie.graft import observe
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.routing.usage import ExpertUsage, UsageStatistics
from coterie.tasks.gradients import preserve_flags


@torch.no_grad()
def measure_usage_by_task(
    model: PeftModel,
    batches: Iterable[Float[Tensor, "batch channels height breadth"]],
    *,
    tasks: Sequence[str] | None = None,
) -> UsageStatistics:
    """Measure layer -> statistic -> task -> a number per expert, over all tokens.

    Tasks run one at a time, so the numbers equal those of runs with a single task.

    Args:
        model: a grafted `MultiTaskVisionModel`; it is temporarily in eval mode.
        batches: `pixel_values` of the model.
        tasks: task names; None for all.

    Raises ValueError for another kind of model or an unknown task.
    """
    base: Any = model.get_base_model()
    if not isinstance(base, MultiTaskVisionModel):
        raise ValueError(
            f"measure_usage_by_task takes a grafted MultiTaskVisionModel, not "
            f"{type(base).__name__}: give the model of a run on dense tasks"
        )
    usage = ExpertUsage(base.config.resolve_tasks(tasks))
    with preserve_flags(model):
        for images in batches:
            for task in usage.tasks:
                with observe(model) as tape:
                    model(pixel_values=images, tasks=(task,))
                usage.add(tape, task=task)
    return usage.compute_means()
