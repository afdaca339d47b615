"""`TaskSampling`: the task and row of each sample of each batch, as a pure function."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from coterie.data.share_adaptation import ShareAdaptation, count_by_shares


@dataclass(frozen=True, kw_only=True)
class TaskSampling:
    """Task proportions of batches, met exactly by quotas rather than in expectation.

    A task's share is size ** (1 / temperature), normalised. After any number of batches, each
    task's count is less than one sample (with `one_task_per_batch`: one batch) from its share.
    A task's rows are permuted anew in each pass, so rows of a small task repeat before those of
    a large one are exhausted.

    Attributes:
        temperature: at least 1. 1 is proportional to size, "equal" (or math.inf, stored as
            "equal") uniform (Raffel et al. 2020, arXiv:1910.10683, section 3.5.2).
        one_task_per_batch: whether each batch holds a single task.
        group_by_modality: whether the samples that all devices compute together have the same
            modalities, so that no process waits for another's encoder; every row is read once
            beforehand. Then a task's count is less than one such batch and one sample for each mix
            of modalities from its share. Parts of a step (`accumulation`) may have different ones.
        adaptation: how validation changes the shares while a stage trains; None for never. With
            `one_task_per_batch` it is the sampler of Alt-MoE.
    """

    temperature: int | float | Literal["equal"] = 1.0
    one_task_per_batch: bool = False
    group_by_modality: bool = False
    adaptation: ShareAdaptation | None = None

    def __post_init__(self) -> None:
        if self.temperature in (math.inf, "equal"):
            object.__setattr__(self, "temperature", "equal")  # JSON has no infinity
        elif isinstance(self.temperature, str) or not self.temperature >= 1:
            problem = f"TaskSampling(temperature={self.temperature!r})"
            raise ValueError(f'{problem}: give a number, at least 1, or "equal"')
        if self.group_by_modality and self.adaptation is not None:
            raise ValueError(
                "TaskSampling(group_by_modality=True, adaptation=...): groups are dealt out before "
                "training, and adapted shares are not known then; leave one of them out"
            )

    def compute_task_probabilities(
        self, sizes: Sequence[int], weights: Sequence[float] | None = None
    ) -> Float64[np.ndarray, " tasks"]:
        """Compute each task's share of 1, before it is normalised times its weight, if given.

        Raises ValueError if there are none, or one is empty.
        """
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes = {list(sizes)}: give a task or more, each with a row or more")
        power = 0.0 if isinstance(self.temperature, str) else 1 / self.temperature
        shares = (np.asarray(sizes, np.float64) / max(sizes)) ** power
        if weights is not None:
            shares = shares * np.asarray(weights, np.float64)
        return shares / shares.sum()

    def sample_batches(
        self, sizes: Sequence[int], *, batch_size: int, steps: int, seed: int,
        weights: Sequence[float] | None = None,
        shares: Float64[np.ndarray, "steps tasks"] | None = None,
    ) -> Int64[np.ndarray, "steps batch 2"]:  # fmt: skip
        """Return (task, row) of each sample of each batch, for the number of rows per task.

        `weights` are factors of the tasks' shares; `shares` are those of each step, where they
        change.

        Deterministic in its arguments; more `steps` leave the first batches unchanged.
        """
        if batch_size < 1 or steps < 0 or seed < 0:
            raise ValueError(
                f"batch_size={batch_size}, steps={steps}, seed={seed}: give a batch size of at "
                "least 1, and steps and a seed of at least 0"
            )
        if shares is None:
            constant = self.compute_task_probabilities(sizes, weights)
            return self._draw(constant, sizes, batch_size, steps, seed)
        together = batch_size if self.one_task_per_batch else 1
        counts = together * count_by_shares(shares, batch_size // together)
        return draw_rows(counts, sizes, batch_size, seed)

    def sample_grouped_batches(
        self, groups: Sequence[Int64[np.ndarray, "..."]], *, batch_size: int, steps: int,
        seed: int, weights: Sequence[float] | None = None,
    ) -> Int64[np.ndarray, "steps batch 2"]:  # fmt: skip
        """Return what `sample_batches` does, with the samples of a batch all of one group.

        `groups` has the group of each row, from 0, in an array for each task. The groups share the
        batches, and then the tasks the samples of each group's batches.
        """
        shares = self.compute_task_probabilities([len(each) for each in groups], weights)
        numbers = range(max(int(each.max()) for each in groups) + 1)
        rows = [[np.flatnonzero(each == number) for each in groups] for number in numbers]
        lengths = np.array([[len(each) for each in by_task] for by_task in rows])
        parts = shares * lengths / lengths.sum(0)  # of each task's share, by group
        chosen = compute_samples_per_batch(parts.sum(1), 1, steps).argmax(1)
        drawn = np.empty((steps, batch_size, 2), np.int64)
        for number in numbers:
            tasks, count = np.flatnonzero(lengths[number]), int((chosen == number).sum())
            seeds = np.random.SeedSequence([seed, number]).generate_state(1)
            share, sizes = parts[number][tasks], lengths[number][tasks].tolist()
            own = self._draw(share / share.sum(), sizes, batch_size, count, int(seeds[0]))
            for place, task in enumerate(tasks):
                is_task = own[..., 0] == place
                own[is_task, 1] = rows[number][task][own[is_task, 1]]
            own[..., 0] = tasks[own[..., 0]]
            drawn[chosen == number] = own
        return drawn

    def _draw(
        self, shares: Float64[np.ndarray, " tasks"], sizes: Sequence[int], batch_size: int,
        steps: int, seed: int,
    ) -> Int64[np.ndarray, "steps batch 2"]:  # fmt: skip
        together = batch_size if self.one_task_per_batch else 1
        counts = together * compute_samples_per_batch(shares, batch_size // together, steps)
        return draw_rows(counts, sizes, batch_size, seed)

    def count_steps_per_epoch(self, sizes: Sequence[int], batch_size: int) -> int:
        """Return the number of batches that hold as many samples as all tasks, rounded up."""
        return math.ceil(sum(sizes) / batch_size)


def compute_samples_per_batch(
    shares: Float64[np.ndarray, " tasks"], batch_size: int, steps: int
) -> Int64[np.ndarray, "steps tasks"]:
    """Compute the number of samples of each task in each batch.

    Each task's n-th sample is released when n - 1 are due, and its deadline is when n are due.
    Taking the earliest deadline among released samples meets all deadlines (Tijdeman 1980,
    "The chairman assignment problem"), so no task is ever one sample or more off its share.
    """
    counts = np.zeros((steps, len(shares)), np.int64)
    given = np.zeros(len(shares), np.int64)
    slack = 1e-9  # rounding: 3 * (1 / 3) may be below 1
    for step in range(steps):
        due = shares * (batch_size * (step + 1))
        least = np.maximum(np.floor(due + slack).astype(np.int64), given)
        places = batch_size - int((least - given).sum())
        eligible = np.flatnonzero(least < np.ceil(due - slack))
        deadlines = (least[eligible] + 1) / shares[eligible]
        least[eligible[deadlines.argsort(kind="stable")[:places]]] += 1
        counts[step] = least - given
        given = least
    return counts


def draw_rows(
    counts: Int64[np.ndarray, "steps tasks"], sizes: Sequence[int], batch_size: int, seed: int
) -> Int64[np.ndarray, "steps batch 2"]:
    """Return (task, row) of each sample, for the number of samples of each task in each batch."""
    steps = len(counts)
    names = np.tile(np.arange(len(sizes)), steps)
    tasks = np.repeat(names, counts.ravel()).reshape(steps, batch_size)
    sort_keys = np.random.default_rng([seed, len(sizes)]).random((steps, batch_size))
    tasks = np.take_along_axis(tasks, sort_keys.argsort(axis=1, kind="stable"), axis=1)
    rows = np.empty_like(tasks)
    for task, size in enumerate(sizes):
        is_task = tasks == task
        count = int(is_task.sum())
        passes = range(math.ceil(count / size))
        orders = [np.random.default_rng([seed, task, i]).permutation(size) for i in passes]
        rows[is_task] = np.ravel(orders)[:count]
    return np.stack([tasks, rows], axis=-1)
