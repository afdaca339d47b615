"""The tasks' losses on held-out rows, their best so far, and when it has been long enough."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from coterie.data.rows import Rows
from coterie.data.sample import Sample
from coterie.train import checkpoint, weights
from coterie.train.losses import task_sums, token_losses

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer

BEST = "best"


class Validation:
    """Looks at the first rows of each task that has a validation split."""

    def __init__(
        self,
        rows: dict[str, Rows],
        *,
        limit: int,
        batch_size: int,
        patience: int | None,
    ) -> None:
        """
        Args:
            rows: of each task that has some, by its name.
            limit: rows of a task at most.
            batch_size: samples at a time.
            patience: looks without a new best until training ends; None for never.

        Raises ValueError if patience is asked for and no task has rows.
        """
        if patience is not None and not rows:
            raise ValueError(
                f"patience={patience}: no task has validation rows; name a validation split in "
                "tasks.yaml, or train without patience"
            )
        self.rows, self.limit, self.batch_size = rows, limit, batch_size
        self.patience = patience
        self.best: float | None = None
        self.looks_since = 0

    def look(self, trainer: "MixtureTrainer") -> dict[str, float]:
        """Mean loss of an answer token, by task. Keeps the weights where their mean is best."""
        model = trainer.model
        assert model is not None
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), trainer.compute_loss_context_manager():
                found = {name: self._loss(trainer, rows) for name, rows in self.rows.items()}
        finally:
            model.train(was_training)
        self._compare(trainer, sum(found.values()) / len(found))
        return found

    def _loss(self, trainer: "MixtureTrainer", rows: Rows) -> float:
        total = count = 0.0
        for batch in batches(rows, self.limit, self.batch_size):
            inputs = trainer._prepare_inputs(trainer.setting.collate(batch))
            model = trainer.model
            assert model is not None
            found = task_sums(token_losses(model, trainer.head, inputs), len(trainer.setting.tasks))
            total += float(found.sums.double().sum())
            count += float(found.counts.sum())
        return total / count

    def _compare(self, trainer: "MixtureTrainer", mean: float) -> None:
        if self.patience is None:
            return
        if self.best is None or mean < self.best:
            self.best, self.looks_since = mean, 0
            setting = trainer.setting
            if trainer.args.should_save:
                checkpoint.written(
                    trainer.folder / BEST,
                    lambda folder: weights.save_tensors(setting.model, setting.host, folder),
                )
            return
        self.looks_since += 1
        if self.looks_since >= self.patience:
            trainer.control.should_training_stop = True
            trainer.control.should_save = True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "looks_since": self.looks_since}

    def restore(self, state: dict[str, Any]) -> None:
        """Puts back what `state` gave."""
        self.best, self.looks_since = state["best"], state["looks_since"]


def batches(rows: Rows, limit: int, size: int) -> list[Sequence[Sample]]:
    """The first `limit` rows in batches, in their order."""
    count = min(limit, len(rows))
    return [
        [rows[i] for i in range(start, min(start + size, count))] for start in range(0, count, size)
    ]
