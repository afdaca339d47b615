"""Which experts each task of a `MultiTaskVision` uses, over batches of pictures."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

from coterie.evaluate.expert_usage import ExpertUsage
from coterie.graft import observe
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel


@torch.no_grad()
def measure_usage_by_task(
    model: PeftModel,
    batches: Iterable[Float[Tensor, "batch channels height breadth"]],
    *,
    tasks: Sequence[str] | None = None,
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """task -> `Use.dump()`, measured exactly: each token of each picture counts once.

    Tasks run one at a time, so that numbers are the very same that the task alone would see.

    Args:
        model: a grafted `MultiTaskVision`; it is in eval mode meanwhile.
        batches: pictures, as the model takes them.
        tasks: names; None for all.

    Raises ValueError for a model of another kind, or a task there is not.
    """
    host: Any = model.get_base_model()
    if not isinstance(host, MultiTaskVisionModel):
        raise ValueError(
            f"expected a grafted coterie.models.MultiTaskVisionModel, not {type(host).__name__}"
        )
    uses = {task: ExpertUsage() for task in host.config.resolve_tasks(tasks)}
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        for pictures in batches:
            for task, use in uses.items():
                with observe(model) as tape:
                    model(pixel_values=pictures, tasks=(task,))
                use.add(tape)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return {task: use.dump() for task, use in uses.items()}
