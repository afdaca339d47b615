"""What a stage's trainer is put together from: arguments, order, validation, kept features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from torch import nn
from transformers import TrainingArguments

from coterie import distributed
from coterie.losses.base import RoutingLoss
from coterie.recipe import Stage
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.task_set import AnyCollator, AnyDataset, TaskSet
from coterie.tasks.text.task_set import TextTasks
from coterie.train.add_tasks import AddTasks
from coterie.train.batch_sampler import MultiTaskDataset, StageBatchSampler, derive_stage_seed
from coterie.train.config import RunConfig
from coterie.train.metric_log import MetricLog
from coterie.train.trainable import TrainableParameters
from coterie.train.validation import Validation

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
EVALUATIONS_PER_STAGE = 10
"""Looks at the validation rows a stage, where patience is asked for and nothing else said."""


def make_task_set(config: RunConfig) -> TaskSet:
    """What a plan has learned: words, or pictures."""
    if config.pictures is None:
        return TextTasks(config)
    if config.adopts is None:
        return DenseTasks(config, config.pictures)
    return AddTasks(config, config.pictures, config.adopts)


def make_training_arguments(
    config: RunConfig, stage: Stage, folder: Path, *, seed: int, mixed: bool, validates: bool
) -> TrainingArguments:
    """Transformers' own arguments of a stage.

    Args:
        folder: where its checkpoints go.
        seed: of dropout and the router's noise.
        mixed: the host learns, too: its weights are float32, so bfloat16 needs autocast.
        validates: there is something to look at.
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
        logging_nan_inf_filter=False,  # a loss without number stops the run
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
    """Which samples each part of each step of a stage has; a pure function of the plan."""
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
    config: RunConfig, stage: Stage, rows: Sequence[AnyDataset]
) -> Validation | None:
    """What is looked at while a stage trains, if anything."""
    if config.patience is None and not rows:
        return None
    size = max(1, config.get_global_batch_size(stage) // config.accumulation)
    return Validation(
        rows, limit=config.validation_limit, batch_size=size, patience=config.patience
    )


def cast_to_float32(model: PeftModel, names: Sequence[str]) -> None:
    """Weights of the host that learn: in bfloat16 small updates would be lost."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].data = parameters[name].data.float()


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What a stage's trainer works on, beside transformers' own arguments.

    Attributes:
        model: the grafted model.
        trained: what learns.
        host: names of the host's parameters that learn here or have learned before.
        balancing: the module that makes one loss of the tasks' losses.
        aggregator: combines the gradients of the tasks' losses; None to follow that one loss's.
        lesson: what is learned.
        losses: on the routing.
        tasks: names.
        samples, order, collate: the data.
        journal: where lines go.
        validation: what is looked at; None for nothing.
        stage: its name.
        before: steps of the stages before this.
        log_usage_every: lines between two with expert use; 0 for none.
        routed: whether the stage has mixtures that decide.
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
    collator: AnyCollator
    metric_log: MetricLog
    validation: Validation | None
    stage_name: str
    finished_steps: int
    log_usage_every: int
    is_routed: bool
