"""`StageContext`: the inputs of one stage's trainer, with its `TrainingArguments`."""

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from torch import nn
from transformers import TrainingArguments

from coterie import distributed
from coterie.losses.base import RoutingLoss
from coterie.mixture import Mixture
from coterie.stage import Stage
from coterie.tasks.task_set import Collator
from coterie.train.batch_sampler import derive_stage_seed
from coterie.train.config import RunConfig
from coterie.train.datasets import MultiTaskDataset
from coterie.train.metric_log import MetricLog
from coterie.train.task_shares import TaskShares
from coterie.train.trainable import TrainableParameters, make_stage_mixtures
from coterie.train.validation import Validation

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class StageArguments(TrainingArguments):
    """Transformers' arguments, for one chosen device in each process.

    Transformers takes the first GPU, and wraps the model in DataParallel where there are several:
    a copy a step, and hooks that run in threads, for which adapters are not made.

    Attributes:
        stage_device: set once the arguments are made; until then transformers chooses.
    """

    stage_device: torch.device | None = None

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.stage_device or super().device

    @property
    def n_gpu(self) -> int:
        """The number of GPUs of this process, 0 or 1."""
        return min(1, super().n_gpu)


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """The inputs of one stage's trainer.

    Attributes:
        config: of the run.
        stage: one of `RunConfig.resolve_stages`.
        number: its place in the run, from 0.
        folder: where its checkpoints are saved.
        device: where it is trained.
        model: the grafted model.
        trainable: the trained parameters.
        base_parameters: names of base parameters trained in this stage or an earlier one.
        balancing: the module that combines the tasks' losses.
        aggregator: combines the gradients of the tasks' losses; None to follow the gradient of
            the combined loss.
        dataset, collator: the training data.
        metric_log: writes log.jsonl.
        validation: None for none.
        shares: of the tasks, where validation adapts them.
        finished_steps: steps of the stages before this one.
    """

    config: RunConfig
    stage: Stage
    number: int
    folder: Path
    device: torch.device
    model: PeftModel
    trainable: TrainableParameters
    base_parameters: tuple[str, ...]
    balancing: nn.Module
    aggregator: nn.Module | None
    dataset: MultiTaskDataset
    collator: Collator
    metric_log: MetricLog
    validation: Validation | None
    shares: TaskShares | None
    finished_steps: int

    @property
    def losses(self) -> tuple[RoutingLoss, ...]:
        """The routing losses; none where nothing routes."""
        routes = self.stage.routed and any(each.gate is not None for each in self.mixtures)
        return self.config.recipe.losses if routes else ()

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """The mixtures of the stage's model."""
        return make_stage_mixtures(self.config.recipe.mixtures, self.stage)

    @property
    def is_routed(self) -> bool:
        """Whether the stage has mixtures that route."""
        return self.stage.routed and bool(self.mixtures)

    def make_training_arguments(self) -> "StageArguments":
        """Make transformers' arguments."""
        config, stage, validates = self.config, self.stage, self.validation is not None
        assert stage.steps is not None
        parts = config.accumulation * distributed.get_world_size()
        every = config.evaluate_every or max(1, stage.steps // 10)  # ten a stage for `patience`
        arguments = StageArguments(
            output_dir=str(self.folder), max_steps=stage.steps,
            per_device_train_batch_size=max(1, config.get_global_batch_size(stage) // parts),
            gradient_accumulation_steps=config.accumulation,
            learning_rate=stage.learning_rate, lr_scheduler_type=SCHEDULES[stage.schedule],
            warmup_steps=float(round(stage.warmup * stage.steps)),
            max_grad_norm=0.0,  # MixtureTrainer clips, over sharded and whole parameters together
            # Trained base parameters are float32, so bfloat16 needs autocast.
            bf16=bool(self.base_parameters) and config.precision == "bfloat16",
            seed=derive_stage_seed(config.seed, self.number),  # of dropout and the router's noise
            logging_steps=float(config.log_every), logging_first_step=True,
            logging_nan_inf_filter=False,  # a non-finite loss stops the run
            save_strategy="steps", save_steps=float(config.save_every),
            eval_strategy="steps" if validates else "no",
            eval_steps=float(every) if validates else None,
            activation_checkpointing=config.gradient_checkpointing,
            activation_checkpointing_kwargs={"use_reentrant": False},
            average_tokens_across_devices=True, remove_unused_columns=False,
            dataloader_pin_memory=False, report_to=[], disable_tqdm=True,
            use_cpu=self.device.type == "cpu",
        )  # fmt: skip
        arguments.stage_device = self.device
        if self.device.index is not None:  # transformers has made the first GPU the current one
            torch.accelerator.set_device_index(self.device.index)
        return arguments
