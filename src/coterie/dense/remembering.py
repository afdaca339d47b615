"""Which samples have been read without fault, remembered from run to run."""

import hashlib
from pathlib import Path

from coterie.data.decoding import stamp
from coterie.dense.sets.base import Split
from coterie.embedded.home import writable_home

FILE = "checked_dense.txt"
"""In coterie's cache folder; 33 bytes a sample."""
CHECKS = 2
"""To be raised when more is refused than before, so that all is read again."""


class Remembered:
    """Good samples of a split, as long as the sizes and times of their files stay the same.

    The larger splits of Taskonomy take hours to read. If nothing can be written to the cache
    folder, all is read again in the next run.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self.memory = memory()
        self.good: set[str] = set()
        if self.memory is not None and self.memory.exists():
            self.good.update(self.memory.read_text(encoding="ascii", errors="replace").split())
        self.new: list[str] = []

    def key(self, index: int) -> str:
        """Equal as long as the files of a sample are the same."""
        stamps = [stamp(file.path) for file in self.split.files(index)]
        text = "\n".join([f"{type(self.split).__name__} {CHECKS}", *stamps])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def add(self, key: str) -> None:
        """Remember a good sample, once `save` is called."""
        self.new.append(key)

    def save(self) -> None:
        """Write down what was found good."""
        if self.new and self.memory is not None:
            with self.memory.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self.new))
            self.new.clear()


def memory() -> Path | None:
    """The file of what was found good; None if it could not be written."""
    try:
        return writable_home() / FILE
    except ValueError:
        return None
