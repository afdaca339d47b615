"""One record of the log: losses, rates and norms of the steps since the record before."""

from collections.abc import Mapping
from typing import Any

from coterie.train.stage_setup import StageContext


def make_log_record(
    context: StageContext,
    totals: Mapping[str, list[float]],
    *,
    step: int,
    num_steps: int,
    samples: int,
    learning_rate: float | None,
    gradient_norm: float | None,
) -> dict[str, Any]:
    """Make the record of a stage's steps since the last one.

    Args:
        context: of the stage.
        totals: sums over these steps, as `RunningSums.compute_totals` returns them.
        step: of the stage, counted from 1.
        num_steps: since the last record.
        samples: of the stage so far, over all devices.
        learning_rate: of this step.
        gradient_norm: of this step, before clipping.
    """
    by_task = zip(context.tasks, totals["sums"], totals["counts"], strict=True)
    losses = [type(each).__name__ for each in context.losses]
    return {
        "step": context.finished_steps + step,
        "stage": context.stage_name,
        "epoch": round(samples / len(context.dataset), 4),
        "time_s": round(context.metric_log.get_time_s(), 3),
        "samples": samples,
        "loss": totals["loss"][0] / num_steps,
        "task_loss": {name: total / count for name, total, count in by_task if count},
        "routing_loss": {
            name: total / num_steps for name, total in zip(losses, totals["routing"], strict=True)
        },
        "learning_rate": learning_rate,
        "gradient_norm": gradient_norm,
    }
