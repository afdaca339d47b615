"""`RowSource`, the interface of row sources: random access to raw rows."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from coterie.data.dataset import RowError
from coterie.serialization import is_nested_deeper

MAX_ROW_BYTES = 4 * 2**20
"""Longer rows of text files are rejected: media belong in separate files."""
MAX_NESTING = 64
"""Deeper lists and objects in rows are rejected: no format of rows has a tenth of that."""


class RowSource(ABC):
    """Raw rows of a file, read on access; safe to fork and to pickle.

    Attributes:
        name: name for error messages.
        folder: the folder of the file.
        media_root: base folder of relative media paths; None for the folder of the row's file.
        is_split: whether the source itself has splits and this is one of them.
    """

    name: str
    folder: Path
    media_root: Path | None = None
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

    def list_repeated_columns(self, row: Mapping[str, Any]) -> Sequence[str]:
        """List the columns of a row that repeat one another, of which one is enough."""
        return ()

    def get_folder(self, index: int) -> Path:
        """Return the base folder of a row's relative media paths."""
        return self.media_root or self.folder


class FileSource(RowSource):
    """The rows of one file. Kinds are found by walking the folder of this module.

    Attributes:
        suffixes: the ends of the names of its files.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path, *, unpacked: Path | None = None, split: str = "train") -> None:
        """Open the file at `path`. Raises ValueError if it cannot be read, or is damaged.

        Args:
            path: the file, as it is called in errors; media are relative to its folder.
            unpacked: the file's content, if `path` is compressed.
            split: of the file's splits, if it has some, the one to read.
        """
        self.name, self.folder = path.name, path.parent
        self.path, self.file = path, unpacked or path
        self.open(split)

    @abstractmethod
    def open(self, split: str) -> None:
        """Index the rows of `self.file`."""


def get_first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]


def check_nesting(value: Any) -> None:
    """Raise RowError for lists and objects within each other deeper than MAX_NESTING."""
    if is_nested_deeper(value, MAX_NESTING):
        raise RowError("row", f"is nested more than {MAX_NESTING} deep: no format of rows is")
