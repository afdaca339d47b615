"""What of a trainer is in a checkpoint, and how it comes back, bit for bit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coterie.train import adapter_weights, checkpoint

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer


def write(trainer: "MixtureTrainer", folder: Path) -> None:
    """Fills the folder of a checkpoint."""
    setting = trainer.stage_context
    adapter_weights.save_tensors(setting.model, setting.base_parameters, folder)
    tensors = checkpoint.get_optimizer_tensors(get_optimizer(trainer))
    tensors |= checkpoint.get_module_tensors("balancing", trainer.balancing)
    tensors |= {f"window.{k}": v.cpu() for k, v in trainer.running_sums.sums.items()}
    tensors |= trainer.expert_metrics.get_tensors()
    facts: dict[str, Any] = {
        "step": setting.finished_steps + trainer.state.global_step,
        "time_s": setting.metric_log.get_time_s(),
        "logged": trainer._globalstep_last_logged,
    }
    if setting.validation is not None:
        facts["validation"] = setting.validation.state_dict()
    checkpoint.save_state(folder, tensors, facts)
    trainer.state.save_to_json(str(folder / "trainer_state.json"))


def restore(trainer: "MixtureTrainer", folder: Path) -> int:
    """Puts back all but weights and random numbers; returns the step of the last line."""
    tensors, facts = checkpoint.load_state(folder)
    checkpoint.load_optimizer(get_optimizer(trainer), tensors)
    checkpoint.load_module("balancing", trainer.balancing, tensors)
    set_scheduler_step(trainer, trainer.state.global_step)
    device = trainer.args.device
    for name in trainer.running_sums.sums:
        trainer.running_sums.sums[name] = tensors[f"window.{name}"].to(device)
    trainer.expert_metrics.restore(tensors, device)
    if trainer.stage_context.validation is not None:
        trainer.stage_context.validation.load_state_dict(facts["validation"])
    return facts["logged"]


def get_optimizer(trainer: "MixtureTrainer") -> torch.optim.Optimizer:
    """The trainer's optimizer, which is there once training has begun."""
    assert trainer.optimizer is not None
    return trainer.optimizer


def set_scheduler_step(trainer: "MixtureTrainer", step: int) -> None:
    """Sets the schedule to where it is after so many steps; it depends on nothing else."""
    scheduler = trainer.lr_scheduler
    assert isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR)
    scheduler.last_epoch, scheduler._step_count = step, step + 1
    both = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    rates = [base * factor(step) for base, factor in both]
    scheduler._last_lr = rates
    for group, rate in zip(get_optimizer(trainer).param_groups, rates, strict=True):
        group["lr"] = rate
