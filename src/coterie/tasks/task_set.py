"""`TaskSet`: the data, model, loss and predictions of tasks that are trained together."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from coterie.data.dataset import BadRow
from coterie.models.loading import LoadedModel
from coterie.recipe import Recipe
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.losses import ItemLosses


@runtime_checkable
class TaskDataset(Protocol):
    """A map-style data set of samples, which are read when they are asked for."""

    bad_rows: tuple[BadRow, ...]
    """The rows that were left out, with the reason of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@runtime_checkable
class Collator(Protocol):
    """Makes the batch that a model takes from samples."""

    skipped: list[BadRow]
    """The samples that were left out because they do not fit, such as too long ones."""

    def __call__(self, samples: Sequence[Any]) -> dict[str, Any]: ...


class TaskSet(ABC):
    """Tasks that are trained together, one interface for all kinds of task.

    Kinds are frozen keyword-only dataclasses. Training, evaluation, diagnosis, extraction, the
    report and the command line ask the task set for whatever depends on the kind, so a new kind
    of task is a new subclass and no edit elsewhere.

    An item is what a step's loss averages over: an answer token of a text task, or an image of a
    dense task.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The tasks' names, in the order of task ids."""

    @property
    def frozen(self) -> FrozenTasks | None:
        """The tasks of an earlier run that stay as they are; None if all tasks are trained."""
        return None

    @property
    def trained_names(self) -> tuple[str, ...]:
        """The tasks that are trained: all but the frozen ones."""
        return self.names if self.frozen is None else self.frozen.list_new_tasks(self.names)

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise ValueError if a recipe cannot be trained on these tasks."""
        return None

    @abstractmethod
    def load_model(
        self,
        base: str,
        *,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        seed: int = 0,
    ) -> LoadedModel:
        """Load the base model, before it is grafted, and what makes its inputs.

        Args:
            base: a folder, a hub id, or "embedded".
            dtype: of the weights; None for the one they were saved in.
            device: where the model goes; None for the CPU.
            seed: of newly initialised weights; equal seeds give equal weights.

        Raises ValueError if there is no such model, or it does not fit the tasks.
        """

    @abstractmethod
    def load_training_datasets(self, *, skip_bad_rows: bool = False) -> Sequence[TaskDataset]:
        """Load the training rows: one data set a task, or one that all tasks share.

        Raises ValueError naming the first 20 rows that cannot be read, unless they are skipped.
        """

    @abstractmethod
    def load_validation_datasets(self, *, skip_bad_rows: bool = False) -> Sequence[TaskDataset]:
        """Load the validation rows of the tasks that have some."""

    @abstractmethod
    def make_collator(
        self, processor: Any, *, max_length: int | None = None, skip_long: bool = False
    ) -> Collator:
        """Make the collator of training batches.

        Args:
            processor: that of `load_model`.
            max_length: tokens of a sample at most; None for no limit. For tasks without tokens it
                has no effect.
            skip_long: leave longer samples out and list them in `skipped`, instead of an error.
        """

    @abstractmethod
    def transform(self, sample: Any, seed: int) -> Any:
        """Apply training-time augmentation to a sample. Deterministic in `seed`, at least 0."""

    @abstractmethod
    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        """Run the model on a batch and return its item losses.

        Args:
            model: the grafted model, wrapped (by DDP, say) or not.
            base_model: the base model inside it.
            batch: the collator's, on the model's device.
        """

    @abstractmethod
    def count_items(self, batch: dict[str, Any]) -> int:
        """Count a batch's items. The batch may be on any device."""

    @abstractmethod
    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        """Return the names of the tasks in a batch, for messages."""
