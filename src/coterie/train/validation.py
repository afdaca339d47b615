"""`Validation`: the tasks' losses on validation rows, the best mean, and early stopping."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from coterie.tasks.losses import ItemLosses, sum_by_task
from coterie.tasks.predictions import TaskDataset


class Validation:
    """Computes the tasks' mean losses on the first validation rows of each data set."""

    def __init__(
        self, datasets: Sequence[TaskDataset], *, limit: int, batch_size: int, patience: int | None
    ) -> None:
        """Check that there are rows to validate on, if `patience` is given. ValueError for none.

        Args:
            datasets: of each task that has validation rows, or one that all tasks share.
            limit: rows of each at most.
            batch_size: samples of a forward pass.
            patience: validations without a new best before training stops; None for never.
        """
        if patience is not None and not datasets:
            raise ValueError(
                f"patience={patience}: no task has validation rows; name a validation split in "
                "tasks.yaml, or train without patience"
            )
        self.datasets, self.limit, self.batch_size = tuple(datasets), limit, batch_size
        self.patience = patience
        self.best: float | None = None  # the least mean over tasks so far
        self.evals_since_best = 0

    @torch.no_grad()
    def run(
        self,
        model: nn.Module,
        compute_losses: Callable[[list[Any]], ItemLosses],
        tasks: Sequence[str],
    ) -> dict[str, float]:
        """Return the mean loss of an item for each task with a label among the rows.

        `compute_losses` takes a batch of samples; the model is in eval mode meanwhile.
        """
        was_training = model.training
        model.eval()
        totals, counts = torch.zeros(2, len(tasks), dtype=torch.float64)
        try:
            for batch in self._iterate_batches():
                found = sum_by_task(compute_losses(batch), len(tasks))
                totals += found.sums.cpu()
                counts += found.counts.cpu()
        finally:
            model.train(was_training)
        means = zip(tasks, totals.tolist(), counts.tolist(), strict=True)
        return {name: total / count for name, total, count in means if count}

    def _iterate_batches(self) -> Iterator[list[Any]]:
        for rows in self.datasets:
            count = min(self.limit, len(rows))
            for start in range(0, count, self.batch_size):
                yield [rows[i] for i in range(start, min(start + self.batch_size, count))]

    def is_new_best(self, losses: dict[str, float]) -> bool:
        """Return whether the mean over tasks is the best so far; always False without patience."""
        if self.patience is None:
            return False
        mean = sum(losses.values()) / len(losses)
        if self.best is None or mean < self.best:
            self.best, self.evals_since_best = mean, 0
            return True
        self.evals_since_best += 1
        return False

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` validations have passed without a new best."""
        return self.patience is not None and self.evals_since_best >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "evals_since_best": self.evals_since_best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.evals_since_best = state["best"], state["evals_since_best"]
