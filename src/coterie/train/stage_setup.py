"""Builds the trainer of one stage: TrainingArguments, batch sampler, validation, context."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import TrainingArguments

from coterie import distributed
from coterie.losses.base import RoutingLoss
from coterie.models.loading import DTYPES, LoadedModel
from coterie.recipe import Stage
from coterie.tasks.dataset import Collator, TaskDataset
from coterie.tasks.task_set import TaskSet
from coterie.train.batch_sampler import MultiTaskDataset, StageBatchSampler, derive_stage_seed
from coterie.train.config import RunConfig
from coterie.train.metric_log import MetricLog
from coterie.train.trainable import TrainableParameters
from coterie.train.validation import Validation

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
EVALUATIONS_PER_STAGE = 10
"""Validations of a stage that has `patience` and no `evaluate_every`."""


def load_base(config: RunConfig) -> LoadedModel:
    """Load a run's base model, before it is grafted: the same weights at each call."""
    return config.tasks.load_model(config.base, dtype=DTYPES[config.precision], seed=config.seed)


def make_collator(config: RunConfig, processor: Any) -> Collator:
    """Make the collator of a run's training batches."""
    return config.tasks.make_collator(
        processor, max_length=config.max_length, skip_long=config.skip_bad_rows
    )


def make_training_arguments(
    config: RunConfig, stage: Stage, folder: Path, *, seed: int, mixed: bool, validates: bool
) -> TrainingArguments:
    """Make the `TrainingArguments` of a stage.

    Args:
        folder: where its checkpoints are saved.
        seed: of dropout and the router's noise.
        mixed: base parameters are trained, too: they are float32, so bfloat16 needs autocast.
        validates: whether there are validation rows.
    """
    assert stage.steps is not None
    parts = config.accumulation * distributed.get_world_size()
    every = config.evaluate_every or max(1, stage.steps // EVALUATIONS_PER_STAGE)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=max(1, config.get_global_batch_size(stage) // parts),
        gradient_accumulation_steps=config.accumulation,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=SCHEDULES[stage.schedule],
        warmup_steps=round(stage.warmup * stage.steps),
        weight_decay=stage.weight_decay,
        adam_epsilon=stage.epsilon,
        max_grad_norm=config.max_grad_norm,
        bf16=mixed and config.precision == "bfloat16",
        seed=seed,
        logging_steps=config.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a non-finite loss stops the run
        save_strategy="steps",
        save_steps=config.save_every,
        eval_strategy="steps" if validates else "no",
        eval_steps=every if validates else None,
        activation_checkpointing=config.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        average_tokens_across_devices=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
    )


def make_batch_sampler(
    config: RunConfig, stage: Stage, sizes: Sequence[int], number: int
) -> StageBatchSampler:
    """Sample the batches of a stage; a pure function of its arguments."""
    assert stage.steps is not None
    seed = derive_stage_seed(config.seed, number)
    places = config.mix.sample_batches(
        sizes, batch_size=config.get_global_batch_size(stage), steps=stage.steps, seed=seed
    )
    rank, world = distributed.get_rank(), distributed.get_world_size()
    return StageBatchSampler(
        places, parts=config.accumulation, rank=rank, world_size=world, seed=seed
    )


def make_validation(
    config: RunConfig, stage: Stage, rows: Sequence[TaskDataset]
) -> Validation | None:
    """Make the validation of a stage; None if it has none."""
    if config.patience is None and not rows:
        return None
    size = max(1, config.get_global_batch_size(stage) // config.accumulation)
    return Validation(
        rows, limit=config.validation_limit, batch_size=size, patience=config.patience
    )


def cast_to_float32(model: PeftModel, names: Sequence[str]) -> None:
    """Cast trained base parameters to float32: in bfloat16 small updates would be lost."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].data = parameters[name].data.float()


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """The inputs of one stage's trainer that are not in `TrainingArguments`.

    Attributes:
        model: the grafted model.
        trainable: the trained parameters.
        base_parameters: names of base parameters trained in this stage or an earlier one.
        balancing: the module that combines the tasks' losses.
        aggregator: combines the gradients of the tasks' losses; None to follow the gradient of
            the combined loss.
        task_set: the tasks.
        losses: routing losses.
        tasks: the tasks' names.
        dataset, batch_sampler, collator: the training data.
        metric_log: writes log.jsonl.
        validation: None for none.
        stage_name: the stage's name.
        finished_steps: steps of the stages before this one.
        log_usage_every: log lines between two with expert usage; 0 for none.
        is_routed: whether the stage has mixtures that route.
    """

    model: PeftModel
    trainable: TrainableParameters
    base_parameters: tuple[str, ...]
    balancing: nn.Module
    aggregator: nn.Module | None
    task_set: TaskSet
    losses: tuple[RoutingLoss, ...]
    tasks: tuple[str, ...]
    dataset: MultiTaskDataset
    batch_sampler: StageBatchSampler
    collator: Collator
    metric_log: MetricLog
    validation: Validation | None
    stage_name: str
    finished_steps: int
    log_usage_every: int
    is_routed: bool
