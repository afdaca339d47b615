"""The state of a trainer in a checkpoint, restored bit for bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerState

from coterie.train import adapter_weights, checkpoint
from coterie.train.expert_metrics import ExpertMetrics
from coterie.train.metric_log import RunningSums
from coterie.train.stage_setup import StageContext

TRAINER_STATE_FILE = "trainer_state.json"
"""The file of transformers' own state."""


@dataclass(frozen=True, kw_only=True)
class CheckpointedState:
    """The stateful objects of a trainer.

    Attributes:
        context: of the stage.
        optimizer, scheduler: as Trainer made them.
        balancing: the module that combines the tasks' losses.
        running_sums, expert_metrics: sums since the last log record.
        trainer: transformers' state.
    """

    context: StageContext
    optimizer: torch.optim.Optimizer
    scheduler: LambdaLR
    balancing: nn.Module
    running_sums: RunningSums
    expert_metrics: ExpertMetrics
    trainer: TrainerState

    def save(self, folder: Path, *, last_logged_step: int) -> None:
        """Write the files of a checkpoint."""
        context = self.context
        adapter_weights.save_tensors(context.model, context.base_parameters, folder)
        tensors = checkpoint.get_optimizer_tensors(self.optimizer)
        tensors |= checkpoint.get_module_tensors("balancing", self.balancing)
        tensors |= {f"window.{k}": v.cpu() for k, v in self.running_sums.sums.items()}
        tensors |= self.expert_metrics.get_tensors()
        facts: dict[str, Any] = {
            "step": context.finished_steps + self.trainer.global_step,
            "time_s": context.metric_log.get_time_s(),
            "logged": last_logged_step,
        }
        if context.validation is not None:
            facts["validation"] = context.validation.state_dict()
        checkpoint.save_state(folder, tensors, facts)
        self.trainer.save_to_json(str(folder / TRAINER_STATE_FILE))

    def restore(self, folder: Path, device: torch.device) -> int:
        """Restore all but weights and random states; return the step of the last log record."""
        tensors, facts = checkpoint.load_state(folder)
        checkpoint.load_optimizer(self.optimizer, tensors)
        checkpoint.load_module("balancing", self.balancing, tensors)
        self._set_scheduler_step(self.trainer.global_step)
        for name in self.running_sums.sums:
            self.running_sums.sums[name] = tensors[f"window.{name}"].to(device)
        self.expert_metrics.restore(tensors, device)
        if self.context.validation is not None:
            self.context.validation.load_state_dict(facts["validation"])
        return facts["logged"]

    def _set_scheduler_step(self, step: int) -> None:
        """Set the schedule to a step, on which alone it depends."""
        scheduler = self.scheduler
        scheduler.last_epoch, scheduler._step_count = step, step + 1
        both = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        rates = [base * factor(step) for base, factor in both]
        scheduler._last_lr = rates
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
