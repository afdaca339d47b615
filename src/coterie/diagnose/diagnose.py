"""`diagnose`: compare the gradients of several tasks in one model."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coterie.devices import choose_device, choose_precision
from coterie.diagnose.conflict import Conflict
from coterie.diagnose.gradients import compute_conflict, measure_gradients
from coterie.models.loading import LoadedModel
from coterie.progress import Progress
from coterie.task_file import find_tasks
from coterie.tasks import TaskSet, TextTask
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.gradients import GradientSource
from coterie.train.frozen_caches import cache_encoder_features
from coterie.train.run import Run, make_absolute_base
from coterie.train.run_directory import RunDirectory

RELATIVE_LOSS_STEP = 0.02


def diagnose(
    base_or_run: LoadedModel | Run | str | Path,
    tasks: TaskSet | Sequence[TextTask] | DenseDataset | str | Path | None = None,
    *,
    batches: int = 4,
    batch_size: int = 8,
    seed: int = 0,
    at: Sequence[str] | None = None,
    split: str = "train",
    device: str | torch.device | None = None,
) -> Conflict:
    """Measure which tasks conflict: before training, or in a trained run.

    Before training, gradients of text tasks are those of a new shared LoRA (see
    `coterie.tasks.text.gradients.probe_lora`). Of a run they are those of all parameters that its
    adapter trains, experts and gates: tasks that are routed to different experts have cosines
    near 0, because they share no parameters. The new shared LoRA, added to the trained model, is
    then measured too, as `Conflict.shared`; it has the same parameters as the diagnosis before
    training, and so can be compared with it. The model is unchanged afterwards, bit for bit.

    Dense tasks share blocks instead of a LoRA: gradients are those of the weights of the
    backbone's blocks, from `VisionConfig.shared_layers` on; of a run, those that no experts
    have replaced. Batches have the same images for all tasks. Untrained heads pass on little of
    the task's gradient: prefer a run, such as a short one of `recipes.dense()`.

    Time: tasks * batches forward and backward passes, and tasks * tasks forward passes.

    Args:
        base_or_run: a run or its folder; or a model to train: loaded, a folder, a hub id or
            "embedded".
        tasks: at least two: a task set or the tasks.yaml file of one; text tasks; or a dense data
            set. With a run, its own settings such as image size are used. None for a run's
            own tasks.
        batches: of each task, at least 2; all of different samples.
        batch_size: samples per batch; fewer where a task has too few.
        seed: of the samples, the shared LoRA, and newly initialised heads.
        at: roles or patterns at which the shared LoRA is added, such as ("text.mlp",); None for
            the attention and MLP layers of the language model. Text tasks only.
        split: whose samples are used.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one. A
            loaded model stays where it is.

    Raises ValueError for fewer than two tasks or batches, for a task with too few samples, and for
    options or tasks of another kind than the run or model is for.
    """
    started = time.monotonic()
    if batches < 2 or batch_size < 1:
        raise ValueError(
            f"batches={batches}, batch_size={batch_size}: give at least 2 batches, to know the "
            "noise, of at least 1 sample"
        )
    loaded, source = load_gradient_source(
        base_or_run, tasks, at=at, split=split, seed=seed, device=device
    )
    settings = {
        "batches": batches, "batch_size": batch_size, "seed": seed,
        "step": RELATIVE_LOSS_STEP, "split": split, **source.settings,
    }  # fmt: skip
    samples = source.sample_batches(batches, batch_size, seed=seed)
    conflict, *others = _measure_conflicts(source, loaded.processor, samples, settings)
    shared, seconds = next(iter(others), None), time.monotonic() - started
    return replace(conflict, shared=shared, seconds=seconds)


def _measure_conflicts(
    source: GradientSource, processor: Any, samples: Sequence[Any], settings: Mapping[str, Any]
) -> Iterator[Conflict]:
    """Yield the conflict in each space of parameters; with the transfer of steps in the first."""
    count, batches, seed = len(source.names), settings["batches"], settings["seed"]
    with (
        source.open_spaces(seed=seed) as (model, spaces),
        _cache_features(model, processor),
        Progress(count * (batches + 1), "diagnose", unit="batch") as progress,
    ):
        products, losses, transfer = measure_gradients(
            lambda task, batch: source.compute_loss(model, task, samples[task][batch]),
            list(spaces.values()),
            tasks=count,
            batches=batches,
            step=RELATIVE_LOSS_STEP,
            on_batch_end=progress.update,
        )
    for (kind, space), each in zip(spaces.items(), products, strict=True):
        yield compute_conflict(
            each,
            paired=source.paired,
            tasks=tuple(source.names),
            groups=tuple(space.groups),
            space=kind,
            losses=losses,
            settings=settings,
            transfer=transfer,
        )
        transfer = ()


def load_gradient_source(
    base_or_run: LoadedModel | Run | str | Path,
    tasks: TaskSet | Sequence[TextTask] | DenseDataset | str | Path | None,
    *,
    at: Sequence[str] | None,
    split: str,
    seed: int,
    device: str | torch.device | None,
) -> tuple[LoadedModel, GradientSource]:
    """Load the model and make the gradient source of its tasks; see `diagnose`."""
    model = base_or_run
    if isinstance(model, str | Path) and RunDirectory(Path(model)).is_run:
        model = Run.read(model)
    run = model if isinstance(model, Run) else None
    if tasks is None and run is None:
        raise ValueError(
            f"{model} is no run, which would have tasks of its own: give the tasks whose conflict "
            "is to be measured (--tasks)"
        )
    trained = None if run is None else run.config.tasks
    if run is not None and tasks is None:
        run.check_rows(split)
    compared = trained if tasks is None else find_tasks(tasks)
    assert compared is not None
    if len(compared.names) < 2:
        raise ValueError(
            f"diagnose compares tasks, and was given {len(compared.names)}: give two or more"
        )
    if trained is not None:
        compared = compared.with_settings_of(trained)
    match model:
        case Run():
            loaded = model.load(device=device)
        case LoadedModel():
            loaded = model
        case _:
            # In the checkpoint's dtype, except where bfloat16 is slow.
            slow = choose_precision(choose_device(device)) == "float32"
            dtype = torch.float32 if slow else None
            base = make_absolute_base(model)
            loaded = compared.load_model(base, dtype=dtype, device=device, seed=seed)
    source = compared.make_gradient_source(
        loaded,
        model_tasks=compared.names if run is None else run.task_names,
        split=split,
        skip_bad_rows=run is not None and run.config.skip_bad_rows,
        at=at,
    )
    return loaded, source


@contextmanager
def _cache_features(model: nn.Module, processor: Any) -> Iterator[None]:
    """Run an omni model's encoders once per image or audio; restore the processor afterwards."""
    before = dict(vars(processor))
    cache_encoder_features(model, processor)
    try:
        yield
    finally:
        vars(processor).clear()
        vars(processor).update(before)
