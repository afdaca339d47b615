"""What a stage's trainer is put together from: arguments, order, validation, kept features."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from transformers import TrainingArguments

from coterie.recipe import Stage
from coterie.train import together
from coterie.train.adopting import Adopting
from coterie.train.batches import Order, stage_seed
from coterie.train.lesson import AnyRows, Lesson
from coterie.train.pictures import Pictures
from coterie.train.plan import Plan
from coterie.train.validation import Validation
from coterie.train.words import Words

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
LOOKS = 10
"""Looks at the validation rows a stage, where patience is asked for and nothing else said."""


def lesson(plan: Plan) -> Lesson:
    """What a plan has learned: words, or pictures."""
    if plan.pictures is None:
        return Words(plan)
    if plan.adopts is None:
        return Pictures(plan, plan.pictures)
    return Adopting(plan, plan.pictures, plan.adopts)


def arguments(
    plan: Plan, stage: Stage, folder: Path, *, seed: int, mixed: bool, validates: bool
) -> TrainingArguments:
    """Transformers' own arguments of a stage.

    Args:
        folder: where its checkpoints go.
        seed: of dropout and the router's noise.
        mixed: the host learns, too: its weights are float32, so bfloat16 needs autocast.
        validates: there is something to look at.
    """
    assert stage.steps is not None
    parts = plan.accumulation * together.world()
    every = plan.evaluate_every or max(1, stage.steps // LOOKS)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=stage.steps,
        per_device_train_batch_size=max(1, plan.samples_a_step(stage) // parts),
        gradient_accumulation_steps=plan.accumulation,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=SCHEDULES[stage.schedule],
        warmup_steps=round(stage.warmup * stage.steps),
        weight_decay=stage.weight_decay,
        adam_epsilon=stage.epsilon,
        max_grad_norm=plan.max_grad_norm,
        bf16=mixed and plan.precision == "bfloat16",
        seed=seed,
        logging_steps=plan.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss without number stops the run
        save_strategy="steps",
        save_steps=plan.save_every,
        eval_strategy="steps" if validates else "no",
        eval_steps=every if validates else None,
        activation_checkpointing=plan.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        average_tokens_across_devices=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
    )


def order(plan: Plan, stage: Stage, sizes: Sequence[int], number: int) -> Order:
    """Which samples each part of each step of a stage has; a pure function of the plan."""
    assert stage.steps is not None
    seed = stage_seed(plan.seed, number)
    places = plan.mix.batches(
        sizes, batch_size=plan.samples_a_step(stage), steps=stage.steps, seed=seed
    )
    rank, world = together.rank(), together.world()
    return Order(places, parts=plan.accumulation, rank=rank, world=world, seed=seed)


def validation(plan: Plan, stage: Stage, rows: Sequence[AnyRows]) -> Validation | None:
    """What is looked at while a stage trains, if anything."""
    if plan.patience is None and not rows:
        return None
    size = max(1, plan.samples_a_step(stage) // plan.accumulation)
    return Validation(rows, limit=plan.validation_limit, batch_size=size, patience=plan.patience)


def in_float32(model: PeftModel, names: Sequence[str]) -> None:
    """Weights of the host that learn: in bfloat16 small updates would be lost."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].data = parameters[name].data.float()
