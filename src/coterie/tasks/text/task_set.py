"""`TextTasks`: tasks that a language model answers in text."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from coterie.data.dataset import Dataset
from coterie.data.sample import TextSample
from coterie.models.loading import LoadedModel, load
from coterie.tasks.losses import ItemLosses
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.collator import TextCollator
from coterie.tasks.text.loss import IGNORE_INDEX, compute_token_losses
from coterie.tasks.text.task import TextTask


@dataclass(frozen=True, kw_only=True)
class TextTasks(TaskSet):
    """Text tasks, each with rows of its own; an item is an answer token.

    Attributes:
        tasks: at least one, each with a name of its own; their order is that of task ids.
    """

    tasks: tuple[TextTask, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.tasks, tuple) or not all(
            isinstance(task, TextTask) for task in self.tasks
        ):
            raise ValueError(f"TextTasks(tasks={self.tasks!r}): give a tuple of TextTask")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    def load_model(
        self,
        base: str,
        *,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        seed: int = 0,
    ) -> LoadedModel:
        return load(base, dtype=dtype, device=device)

    def load_training_datasets(self, *, skip_bad_rows: bool = False) -> list[Dataset]:
        return [task.read_samples("train", skip_bad_rows=skip_bad_rows) for task in self.tasks]

    def load_validation_datasets(self, *, skip_bad_rows: bool = False) -> list[Dataset]:
        return [
            task.read_samples("validation", skip_bad_rows=skip_bad_rows)
            for task in self.tasks
            if "validation" in task.list_splits()
        ]

    def make_collator(
        self, processor: Any, *, max_length: int | None = None, skip_long: bool = False
    ) -> TextCollator:
        return TextCollator(processor, self.names, max_length=max_length, skip_long=skip_long)

    def transform(self, sample: TextSample, seed: int) -> TextSample:
        """Return the sample as it is: text tasks have no augmentation."""
        return sample

    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        return compute_token_losses(model, get_output_head(base_model), batch)

    def count_items(self, batch: dict[str, Any]) -> int:
        # No position predicts the first token of a text.
        return int(batch["labels"][:, 1:].ne(IGNORE_INDEX).sum())

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return sorted({self.names[index] for index in batch["task_ids"].tolist()})


def get_output_head(base_model: Any) -> nn.Module | None:
    """Return the module that computes logits of hidden states; None if the model names none."""
    return base_model.get_output_embeddings()
