"""A line of log.jsonl out of what a trainer has summed up since the last one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer


def record(trainer: "MixtureTrainer", learning_rate: float | None) -> dict[str, Any]:
    """The line for the steps since the last one."""
    setting, totals = trainer.setting, trainer.window.totals()
    steps = trainer.state.global_step - trainer._globalstep_last_logged
    seen = trainer.state.global_step * trainer.setting.order.batches.shape[1]
    samples = seen * trainer.args.gradient_accumulation_steps * trainer.args.world_size
    pairs = zip(setting.tasks, totals["sums"], totals["counts"], strict=True)
    names = [type(each).__name__ for each in setting.losses]
    norm = trainer.gradient_norm
    record: dict[str, Any] = {
        "step": setting.before + trainer.state.global_step,
        "stage": setting.stage,
        "epoch": round(samples / len(setting.samples), 4),
        "time_s": round(setting.journal.time_s(), 3),
        "samples": samples,
        "loss": totals["loss"][0] / steps,
        "task_loss": {name: total / count for name, total, count in pairs if count},
        "routing_loss": {
            name: total / steps for name, total in zip(names, totals["routing"], strict=True)
        },
        "learning_rate": learning_rate,
        "gradient_norm": None if norm is None else float(norm),
    }
    if trainer.looked:
        record["validation_loss"] = trainer.looked
    return record | trainer.inside.told()
