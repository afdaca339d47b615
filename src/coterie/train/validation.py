"""The tasks' losses on held-out rows, their best so far, and when it has been long enough."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from coterie.train import checkpoint, weights
from coterie.train.lesson import AnyRows
from coterie.train.losses import task_sums

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer

BEST = "best"


class Validation:
    """Looks at the first of the validation rows."""

    def __init__(
        self,
        rows: Sequence[AnyRows],
        *,
        limit: int,
        batch_size: int,
        patience: int | None,
    ) -> None:
        """
        Args:
            rows: of each task that has some; those on pictures share theirs.
            limit: rows of each at most.
            batch_size: samples at a time.
            patience: looks without a new best until training ends; None for never.

        Raises ValueError if patience is asked for and no task has rows.
        """
        if patience is not None and not rows:
            raise ValueError(
                f"patience={patience}: no task has validation rows; name a validation split in "
                "tasks.yaml, or train without patience"
            )
        self.rows, self.limit, self.batch_size = tuple(rows), limit, batch_size
        self.patience = patience
        self.best: float | None = None
        self.looks_since = 0

    def look(self, trainer: "MixtureTrainer") -> dict[str, float]:
        """Mean loss of a token or picture, by task. Keeps the weights where their mean is best."""
        model = trainer.model
        assert model is not None
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), trainer.compute_loss_context_manager():
                found = self._losses(trainer)
        finally:
            model.train(was_training)
        self._compare(trainer, sum(found.values()) / len(found))
        return found

    def _losses(self, trainer: "MixtureTrainer") -> dict[str, float]:
        """The mean loss of each task with a label among the rows."""
        setting, model = trainer.setting, trainer.model
        assert model is not None
        totals = [0.0] * len(setting.tasks)
        counts = [0.0] * len(setting.tasks)
        for batch in batches(self.rows, self.limit, self.batch_size):
            inputs = trainer._prepare_inputs(setting.collate(batch))  # pyright: ignore[reportArgumentType]
            losses = setting.lesson.losses(model, trainer.host, inputs)
            found = task_sums(losses, len(setting.tasks))
            for task, (total, count) in enumerate(
                zip(found.sums.tolist(), found.counts.tolist(), strict=True)
            ):
                totals[task] += total
                counts[task] += count
        means = zip(setting.tasks, totals, counts, strict=True)
        return {name: total / count for name, total, count in means if count}

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


def batches(each: Sequence[AnyRows], limit: int, size: int) -> Iterator[list[Any]]:
    """The first `limit` rows of each in batches, in their order."""
    for rows in each:
        count = min(limit, len(rows))
        for start in range(0, count, size):
            yield [rows[i] for i in range(start, min(start + size, count))]
