"""Which samples have been read without fault, remembered from run to run."""

import hashlib
from pathlib import Path

from coterie.data.validation_cache import make_file_stamp
from coterie.paths import make_cache_dir
from coterie.tasks.dense.dataset import DenseSplit

CACHE_FILE = "checked_dense.txt"
"""In coterie's cache folder; 33 bytes a sample."""
CHECKS_VERSION = 2
"""To be raised when more is refused than before, so that all is read again."""


class ValidationCache:
    """Good samples of a split, as long as the sizes and times of their files stay the same.

    The larger splits of Taskonomy take hours to read. If nothing can be written to the cache
    folder, all is read again in the next run.
    """

    def __init__(self, split: DenseSplit) -> None:
        self.split = split
        self.cache_file = get_cache_file()
        self.valid: set[str] = set()
        if self.cache_file is not None and self.cache_file.exists():
            self.valid.update(self.cache_file.read_text(encoding="ascii", errors="replace").split())
        self.newly_valid: list[str] = []

    def make_key(self, index: int) -> str:
        """Equal as long as the files of a sample are the same."""
        return compute_files_digest(self.split, index)[:32]

    def add(self, key: str) -> None:
        """Remember a good sample, once `save` is called."""
        self.newly_valid.append(key)

    def save(self) -> None:
        """Write down what was found good."""
        if self.newly_valid and self.cache_file is not None:
            with self.cache_file.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self.newly_valid))
            self.newly_valid.clear()


def compute_files_digest(split: DenseSplit, index: int) -> str:
    """Compute the sha256 of paths, sizes and times of a sample's files."""
    stamps = [make_file_stamp(file.path) for file in split.list_files(index)]
    text = "\n".join([f"{type(split).__name__} {CHECKS_VERSION}", *stamps])
    return hashlib.sha256(text.encode()).hexdigest()


def get_cache_file() -> Path | None:
    """The file of what was found good; None if it could not be written."""
    try:
        return make_cache_dir() / CACHE_FILE
    except ValueError:
        return None
