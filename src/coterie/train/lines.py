"""A line of log.jsonl out of what a trainer has summed up since the last one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer


def make_log_record(trainer: "MixtureTrainer", learning_rate: float | None) -> dict[str, Any]:
    """The line for the steps since the last one."""
    setting, totals = trainer.stage_context, trainer.running_sums.compute_totals()
    steps = trainer.state.global_step - trainer._globalstep_last_logged
    seen = trainer.state.global_step * trainer.stage_context.batch_sampler.batches.shape[1]
    samples = seen * trainer.args.gradient_accumulation_steps * trainer.args.world_size
    pairs = zip(setting.tasks, totals["sums"], totals["counts"], strict=True)
    names = [type(each).__name__ for each in setting.losses]
    norm = trainer.gradient_norm
    record: dict[str, Any] = {
        "step": setting.finished_steps + trainer.state.global_step,
        "stage": setting.stage_name,
        "epoch": round(samples / len(setting.dataset), 4),
        "time_s": round(setting.metric_log.get_time_s(), 3),
        "samples": samples,
        "loss": totals["loss"][0] / steps,
        "task_loss": {name: total / count for name, total, count in pairs if count},
        "routing_loss": {
            name: total / steps for name, total in zip(names, totals["routing"], strict=True)
        },
        "learning_rate": learning_rate,
        "gradient_norm": None if norm is None else float(norm),
    }
    if trainer.last_validation:
        record["validation_loss"] = trainer.last_validation
    return record | trainer.expert_metrics.compute_metrics()
