"""The tasks' losses on held-out rows, their best so far, and when it has been long enough."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from coterie.tasks.task_set import AnyDataset
from coterie.train import adapter_weights, checkpoint
from coterie.train.objective import sum_by_task

if TYPE_CHECKING:
    from coterie.train.trainer import MixtureTrainer

BEST_FOLDER = "best"


class Validation:
    """Looks at the first of the validation rows."""

    def __init__(
        self,
        rows: Sequence[AnyDataset],
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
        self.datasets, self.limit, self.batch_size = tuple(rows), limit, batch_size
        self.patience = patience
        self.best: float | None = None
        self.evals_since_best = 0

    def run(self, trainer: "MixtureTrainer") -> dict[str, float]:
        """Mean loss of a token or picture, by task. Keeps the weights where their mean is best."""
        model = trainer.model
        assert model is not None
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), trainer.compute_loss_context_manager():
                found = self._compute_losses(trainer)
        finally:
            model.train(was_training)
        self._compare(trainer, sum(found.values()) / len(found))
        return found

    def _compute_losses(self, trainer: "MixtureTrainer") -> dict[str, float]:
        """The mean loss of each task with a label among the rows."""
        setting, model = trainer.stage_context, trainer.model
        assert model is not None
        totals = [0.0] * len(setting.tasks)
        counts = [0.0] * len(setting.tasks)
        for batch in iterate_batches(self.datasets, self.limit, self.batch_size):
            inputs = trainer._prepare_inputs(setting.collator(batch))  # pyright: ignore[reportArgumentType]
            losses = setting.task_set.compute_losses(model, trainer.base_model, inputs)
            found = sum_by_task(losses, len(setting.tasks))
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
            self.best, self.evals_since_best = mean, 0
            setting = trainer.stage_context
            if trainer.args.should_save:
                checkpoint.write_atomically(
                    trainer.folder / BEST_FOLDER,
                    lambda folder: adapter_weights.save_tensors(
                        setting.model, setting.base_parameters, folder
                    ),
                )
            return
        self.evals_since_best += 1
        if self.evals_since_best >= self.patience:
            trainer.control.should_training_stop = True
            trainer.control.should_save = True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "looks_since": self.evals_since_best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state` gave."""
        self.best, self.evals_since_best = state["best"], state["looks_since"]


def iterate_batches(each: Sequence[AnyDataset], limit: int, size: int) -> Iterator[list[Any]]:
    """The first `limit` rows of each in batches, in their order."""
    for rows in each:
        count = min(limit, len(rows))
        for start in range(0, count, size):
            yield [rows[i] for i in range(start, min(start + size, count))]
