"""Tasks that are answered in words, which a model that continues texts learns."""

from typing import TYPE_CHECKING, Any

from torch import nn

from coterie.data.dataset import Dataset
from coterie.data.sample import TextSample
from coterie.models.loading import load
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.collator import TextCollator
from coterie.train.config import RunConfig
from coterie.train.objective import IGNORE_INDEX, ItemLosses, compute_token_losses
from coterie.train.run import DTYPES

if TYPE_CHECKING:
    from coterie.models.loading import LoadedModel


class TextTasks(TaskSet):
    """The tasks of a plan, each with rows of its own; an item is a token of an answer."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    def load_training_rows(self) -> list[Dataset]:
        return [
            task.read_samples("train", skip_bad_rows=self.config.skip_bad_rows)
            for task in self.config.tasks
        ]

    def load_validation_rows(self) -> list[Dataset]:
        return [
            task.read_samples("validation", skip_bad_rows=self.config.skip_bad_rows)
            for task in self.config.tasks
            if self.config.validates and "validation" in task.list_splits()
        ]

    def load_model(self) -> "LoadedModel":
        return load(self.config.base, dtype=DTYPES[self.config.precision])

    def make_collator(self, processor: Any) -> TextCollator:
        return TextCollator(
            processor,
            self.config.task_names,
            max_length=self.config.max_length,
            skip_long=self.config.skip_bad_rows,
        )

    def transform(self, sample: TextSample, seed: int) -> TextSample:
        return sample

    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        return compute_token_losses(model, base_model.get_output_embeddings(), batch)  # pyright: ignore[reportCallIssue]

    def count_items(self, batch: dict[str, Any]) -> int:
        # The first token of a text is predicted by none.
        return int(batch["labels"][:, 1:].ne(IGNORE_INDEX).sum())

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return sorted({self.config.task_names[i] for i in batch["task_ids"].tolist()})
