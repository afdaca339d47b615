"""What every source of rows answers to: raw rows at random access, each with a name."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class RowSource(ABC):
    """Rows as they stand in a file, each read when asked; safe to fork and to send elsewhere."""

    is_split: bool = False
    """Whether these are one of several splits that the source itself has."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """What the paths of media are relative to."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are, damaged ones among them."""

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """Row number `index`, 0 to len - 1. Raises RowError if it is damaged."""

    @abstractmethod
    def describe_row(self, index: int) -> str:
        """What errors call the row: file and line."""
