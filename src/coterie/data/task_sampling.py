"""Which task and which row each place of each batch holds, as a pure function."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, kw_only=True)
class TaskSampling:
    """How tasks share the batches: by quotas, not by lots, so that the shares are exact.

    A task's share is size ** (1 / temperature) over the sum of these. After any number of
    batches, each task has had its share of the samples to less than one (of the batches, with
    `one_task_per_batch`). A task's rows come in a fresh permutation each time they are passed
    through, so a small task's rows come again before a large task's are through.

    Attributes:
        temperature: 1 shares by size, "equal" (or math.inf, which becomes it) alike, between
            them anything at least 1 (Raffel et al. 2020, arXiv:1910.10683, section 3.5.2).
        one_task_per_batch: each batch is of one task.
    """

    temperature: int | float | Literal["equal"] = 1.0
    one_task_per_batch: bool = False

    def __post_init__(self) -> None:
        if self.temperature in (math.inf, "equal"):
            object.__setattr__(self, "temperature", "equal")  # JSON has no infinity
        elif isinstance(self.temperature, str) or not self.temperature >= 1:
            raise ValueError(
                f'Mix(temperature={self.temperature!r}): give a number, at least 1, or "equal"'
            )

    def compute_task_probabilities(self, sizes: Sequence[int]) -> Float64[np.ndarray, " tasks"]:
        """The share of each task, adding up to 1.

        Raises ValueError if there are no tasks, or one is empty.
        """
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes = {list(sizes)}: give a task or more, each with a row or more")
        power = 0.0 if isinstance(self.temperature, str) else 1 / self.temperature
        weights = (np.asarray(sizes, np.float64) / max(sizes)) ** power
        return weights / weights.sum()

    def sample_batches(
        self, sizes: Sequence[int], *, batch_size: int, steps: int, seed: int
    ) -> Int64[np.ndarray, "steps batch 2"]:
        """(task, row) for each place of each batch.

        A pure function of its arguments; with more steps, the first batches stay the same.

        Args:
            sizes: the number of rows of each task.
            batch_size: samples of a batch, at least 1.
            steps: how many batches, at least 0.
            seed: at least 0.
        """
        if batch_size < 1 or steps < 0 or seed < 0:
            raise ValueError(
                f"batch_size={batch_size}, steps={steps}, seed={seed}: give a batch size of at "
                "least 1, and steps and a seed of at least 0"
            )
        shares = self.compute_task_probabilities(sizes)
        if self.one_task_per_batch:
            counts = batch_size * compute_samples_per_batch(shares, 1, steps)
        else:
            counts = compute_samples_per_batch(shares, batch_size, steps)
        names = np.tile(np.arange(len(sizes)), steps)
        tasks = np.repeat(names, counts.ravel()).reshape(steps, batch_size)
        lots = np.random.default_rng([seed, len(sizes)]).random((steps, batch_size))
        tasks = np.take_along_axis(tasks, lots.argsort(axis=1, kind="stable"), axis=1)
        rows = np.empty_like(tasks)
        for task, size in enumerate(sizes):
            mine = tasks == task
            rows[mine] = generate_epoch_orders(size, int(mine.sum()), task, seed)
        return np.stack([tasks, rows], axis=-1)

    def count_steps_per_epoch(self, sizes: Sequence[int], batch_size: int) -> int:
        """How many batches hold as many samples as all tasks have, rounded up."""
        return math.ceil(sum(sizes) / batch_size)


def compute_samples_per_batch(
    shares: Float64[np.ndarray, " tasks"], batch_size: int, steps: int
) -> Int64[np.ndarray, "steps tasks"]:
    """How many samples of each task are in each batch.

    Each task's n-th sample may come no earlier than when n - 1 are due, and must have come when n
    are due. Taking the earliest due of those that may come meets all these dates (Tijdeman 1980,
    "The chairman assignment problem"), so that no task is ever a whole sample off its share.
    """
    counts = np.zeros((steps, len(shares)), np.int64)
    given = np.zeros(len(shares), np.int64)
    slack = 1e-9  # shares are rounded: 3 * (1 / 3) may fall short of 1
    for step in range(steps):
        due = shares * (batch_size * (step + 1))
        least = np.maximum(np.floor(due + slack).astype(np.int64), given)
        places = batch_size - int((least - given).sum())
        may = np.flatnonzero(least < np.ceil(due - slack))
        dates = (least[may] + 1) / shares[may]
        least[may[dates.argsort(kind="stable")[:places]]] += 1
        counts[step] = least - given
        given = least
    return counts


def generate_epoch_orders(
    size: int, count: int, task: int, seed: int
) -> Int64[np.ndarray, " samples"]:
    """`count` row numbers below `size`: one permutation after the other."""
    rounds = math.ceil(count / size)
    orders = [np.random.default_rng([seed, task, turn]).permutation(size) for turn in range(rounds)]
    return np.concatenate([np.empty(0, np.int64), *orders])[:count]
