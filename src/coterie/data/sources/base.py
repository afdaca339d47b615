"""`RowSource`, the interface of row sources: random access to raw rows."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class RowSource(ABC):
    """Raw rows of a file, read on access; safe to fork and to pickle.

    Attributes:
        name: name for error messages.
        folder: base folder of relative media paths.
        is_split: whether the source itself has splits and this is one of them.
    """

    name: str
    folder: Path
    is_split: bool = False

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows, including damaged ones."""

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return row `index`, 0 to len - 1. Raises RowError if it is damaged."""

    def describe_row(self, index: int) -> str:
        """Return file and line of a row for error messages."""
        return f"{self.name}:{index + 1}"


def get_first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
