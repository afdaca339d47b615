"""`IndexedFile`: a text file whose rows are found by their offsets."""

from abc import abstractmethod
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coterie.data.sources.base import FileSource
from coterie.data.sources.file_state import check_state, read_state


class IndexedFile(FileSource):
    """A file of which offset and number of each row are held in memory: 16 bytes per row.

    Attributes:
        starts: offset of each row, then the size of the file.
        numbers: of each row's first line, from 1.
    """

    @abstractmethod
    def index_rows(self, file: Any) -> Iterator[tuple[int, int]]:
        """Yield the number of each row's first line and its offset, of a file opened as bytes."""

    def open(self, split: str) -> None:
        self.starts, self.numbers = array("q"), array("q")
        self.state = read_state(self.file)
        try:
            with self.file.open("rb") as file:
                for number, start in self.index_rows(file):
                    self.starts.append(start)
                    self.numbers.append(number)
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read: {error.strerror}") from None
        self.starts.append(self.state.size)

    @contextmanager
    def open_row(self, index: int) -> Iterator[Any]:
        """Open the file at a row. Raises ValueError if it has changed since."""
        with self.file.open("rb") as file:
            check_state(self.path, file.fileno(), self.state)
            file.seek(self.starts[index])
            yield file

    def __len__(self) -> int:
        return len(self.numbers)

    def describe_row(self, index: int) -> str:
        return f"{self.name}:{self.numbers[index]}"
