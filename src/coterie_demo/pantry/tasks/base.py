"""What every task of the pantry answers to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from coterie_demo.pantry.assets import AssetStore, Attribution

Row = dict[str, Any]


class PantryTask(ABC):
    """One task: what its rows are made of, and how the test rows differ from the training rows.

    A row has "question" and "answer" (one text, or all that are accepted), "image" and "audio"
    where the task has them, as the larder names them, and what it was made of in more columns;
    "choices" are the answers that the question itself offers.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    """What is asked and answered, in one line."""
    modalities: ClassVar[tuple[str, ...]]
    sources: ClassVar[tuple[Attribution, ...]]
    """What it is made of; without one of them there is no such task."""
    held_out: ClassVar[str]
    """How the test split differs from training."""
    metric: ClassVar[Any] = "exact"
    """As `tasks.yaml` has it."""
    max_new_tokens: ClassVar[int] = 8
    sizes: ClassVar[dict[str, int]]
    """Rows of a split, at most; in the order of splits."""

    @abstractmethod
    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        """The rows of a split, mixed, so that the first few are like the rest; maybe endless."""

    def list_splits(self, assets: AssetStore) -> tuple[str, ...]:
        """The splits that can be made of what is there."""
        return tuple(self.sizes)
