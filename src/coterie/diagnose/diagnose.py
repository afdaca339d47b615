"""`diagnose`: gradients of several tasks in one model, held against each other."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from coterie.diagnose.conflict import Conflict, Matrix
from coterie.diagnose.given import subject
from coterie.diagnose.gradient_cosine import GradientCosines, compute_gradient_cosines
from coterie.diagnose.gradients import GradientMeasurements, ParameterSpace, measure_gradients
from coterie.diagnose.spaces import GradientSource
from coterie.models.loading import LoadedModel
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.tasks.text.task import TextTask
from coterie.train.run import Run

RELATIVE_LOSS_STEP = 0.02


def diagnose(  # noqa: PLR0913  a vision model has choices of its own
    base_or_run: LoadedModel | Run | str | Path,
    tasks: Sequence[TextTask] | DenseDataset | None = None,
    *,
    batches: int = 4,
    batch_size: int = 8,
    seed: int = 0,
    at: Sequence[str] | None = None,
    vision: VisionConfig | None = None,
    split: str = "train",
    device: str | torch.device | None = None,
) -> Conflict:
    """Which tasks pull against each other: before training, or in what a run has trained.

    Before training, gradients are taken in the place of a shared LoRA that has just been put in
    (see `coterie.diagnose.probe`). Of a run they are taken of all that its adapter trains, experts
    and gates: tasks that go to different experts have cosines near 0, because they no longer
    meet. The shared LoRA's place is then measured too, beside the adapter, as `Conflict.shared`;
    that and the diagnosis before training are of the same parameters, and so can be compared.
    The model is left as it was, bit for bit.

    Tasks on pictures share whole blocks and not a LoRA, so in its place are the weights of the
    backbone's blocks, from `Vision.shared_layers` on; of a run, those that no experts have
    replaced. Batches are of the same pictures for all tasks. Heads that have not learned yet send
    back little that is the task's: prefer a run, such as a short one of `recipes.dense()`.

    Time: tasks * batches forward and backward passes, and tasks * tasks forward passes.

    Args:
        base_or_run: a run or its folder; or a model to train: loaded, a folder, a hub id or
            "embedded".
        tasks: at least two, or a dense data set with as many; None for a run's own.
        batches: of each task, at least 2; all of different samples.
        batch_size: samples a batch; fewer where a task is short of rows.
        seed: of the samples that are drawn, of the probe, and of heads that are new.
        at: roles or patterns, where the shared LoRA is put, for tasks in words; None for
            `coterie.diagnose.words.DEFAULT_MODULES`.
        vision: how a base is made a model of a dense data set's tasks, and how it sees pictures;
            None for `Vision()`, or a run's own.
        split: which rows.
        device: where the model runs; None for the CPU, or where it is if it is loaded.

    Raises ValueError for fewer than two tasks or batches, for a task short of rows, and for
    options or tasks of the other kind than the run or model is for.
    """
    started = time.monotonic()
    if batches < 2 or batch_size < 1:
        raise ValueError(
            f"batches={batches}, batch_size={batch_size}: give at least 2 batches, to know the "
            "noise, of at least 1 sample"
        )
    asked = subject(base_or_run, tasks, at=at, vision=vision, split=split, seed=seed, device=device)
    found, spaces = run_measurements(asked, batches, batch_size, seed=seed)
    settings = {
        "batches": batches, "batch_size": batch_size, "seed": seed, "step": RELATIVE_LOSS_STEP, "split": split,
        **asked.settings,
    }  # fmt: skip
    parts = [
        _make_conflict(
            asked.names, kind, each, compute_gradient_cosines(products, paired=asked.paired),
            transfer=() if number else _compute_transfer(found),
            losses=tuple(found.losses),
            settings=settings,
        )
        for number, ((kind, each), products) in enumerate(
            zip(spaces.items(), found.products, strict=True)
        )
    ]  # fmt: skip
    shared = parts[1] if len(parts) > 1 else None
    return replace(parts[0], shared=shared, seconds=time.monotonic() - started)


def run_measurements(
    asked: GradientSource, batches: int, batch_size: int, *, seed: int
) -> tuple[GradientMeasurements, Mapping[str, ParameterSpace]]:
    """The passes over all tasks' batches, and the places where gradients were taken."""
    rows = asked.sample_batches(batches, batch_size, seed=seed)
    count = len(asked.names)
    with (
        asked.open_spaces(seed=seed) as (model, spaces),
        tqdm(total=count * (batches + 1), desc="gradients", unit="batch", disable=None) as bar,
    ):
        found = measure_gradients(
            lambda task, batch: asked.compute_loss(model, task, rows[task][batch]),
            list(spaces.values()),
            tasks=count,
            batches=batches,
            step=RELATIVE_LOSS_STEP,
            on_batch_end=bar.update,
        )
    return found, spaces


def _make_conflict(
    names: Sequence[str],
    kind: str,
    of: ParameterSpace,
    found: GradientCosines,
    *,
    transfer: Matrix,
    losses: tuple[float, ...],
    settings: Mapping[str, Any],
) -> Conflict:
    count = len(names)
    pairs = [float(found.overall[i, j]) for i in range(count) for j in range(i + 1, count)]
    known = [value for value in pairs if value == value]
    return Conflict(
        tasks=tuple(names),
        groups=tuple(of.groups),
        space=kind,
        cosine=tuple(_to_matrix(each) for each in found.cosine),
        overall=_to_matrix(found.overall),
        low=_to_matrix(found.low),
        high=_to_matrix(found.high),
        within_task=tuple(found.within_task.tolist()),
        transfer=transfer,
        losses=losses,
        negative_share=sum(value < 0 for value in known) / len(known) if known else float("nan"),
        settings=settings,
    )


def _to_matrix(values: Float[Tensor, "tasks tasks"]) -> Matrix:
    return tuple(map(tuple, values.tolist()))


def _compute_transfer(measurements: GradientMeasurements) -> Matrix:
    """Relative changes of loss; see `Conflict.transfer`."""
    return tuple(
        tuple(
            after / before - 1 if before else float("nan")
            for after, before in zip(row, measurements.losses_before_step, strict=True)
        )
        for row in measurements.losses_after_step
    )
