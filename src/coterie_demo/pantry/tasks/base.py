"""What every task of the pantry answers to."""

from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Mapping
from typing import Any, ClassVar

from coterie_demo.pantry.assets import AssetStore, Attribution

Row = dict[str, Any]


class PantryTask(ABC):
    """One task: the sources of its rows, and how test rows differ from training rows.

    A row has "question" and "answer" (one text, or all that are accepted), the columns of its
    modalities, with files as the asset store names them (a list of images for a video), and its
    origin in further columns; "choices" are the answers that the question itself offers.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    """Question and answer, in one line."""
    modalities: ClassVar[tuple[str, ...]] = ("image",)
    sources: ClassVar[tuple[Attribution, ...]]
    """The sources it needs, all of them."""
    split_sources: ClassVar[Mapping[str, tuple[Attribution, ...]]] = {}
    """Split -> further sources, any one of which is enough for it."""
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

    def list_splits(self, fetched: Container[Attribution]) -> tuple[str, ...]:
        """The splits that can be built once these sources are fetched."""
        if any(source.fetched and source not in fetched for source in self.sources):
            return ()
        without = [
            split
            for split, sources in self.split_sources.items()
            if not any(source in fetched for source in sources)
        ]
        return tuple(split for split in self.sizes if split not in without)

    def list_sources(self, split: str) -> tuple[Attribution, ...]:
        """The sources of a split that are fetched."""
        needed = (*self.sources, *self.split_sources.get(split, ()))
        return tuple(source for source in needed if source.fetched)
