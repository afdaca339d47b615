"""`RowSource`, the interface of row sources: random access to raw rows."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class RowSource(ABC):
    """Raw rows of a file, read on access; safe to fork and to pickle."""

    is_split: bool = False
    """Whether the source itself has splits and this is one of them."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Base folder of relative media paths."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows, including damaged ones."""

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return row `index`, 0 to len - 1. Raises RowError if it is damaged."""

    @abstractmethod
    def describe_row(self, index: int) -> str:
        """Return file and line of a row for error messages."""
