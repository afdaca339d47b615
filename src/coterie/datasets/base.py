"""`FolderDataset`, the interface of data sets that load some of their tasks from a folder."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from coterie.annotations import format_suggestions
from coterie.tasks.dense.dataset import DenseDataset, DenseSamples, DenseSplit
from coterie.tasks.dense.label_files import make_absolute_path
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.validation import ValidatedDenseDataset


class FolderDataset(DenseDataset):
    """A data set in a folder. Kinds are frozen keyword-only dataclasses with these fields.

    Attributes:
        known_tasks: name -> task, of which `names` are loaded.
    """

    known_tasks: ClassVar[Mapping[str, DenseTask]]
    folder: str | Path
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", make_absolute_path(self.folder))
        check_names(type(self).__name__, self.names, self.known_tasks)

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(self.known_tasks[name] for name in self.names)

    def list_folders(self) -> tuple[Path, ...]:
        return (Path(self.folder),)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        return ValidatedDenseDataset(self.open_split(split), skip_bad_rows=skip_bad_rows)

    def load_images(self, split: str) -> DenseSamples:
        return ValidatedDenseDataset(self.open_split(split), reads=False)

    @abstractmethod
    def open_split(self, split: str) -> DenseSplit:
        """List the samples of a split. Raises ValueError if there is no such split."""


def check_names(kind: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    """Raise ValueError unless `names` are some of the tasks of the data set `kind`."""
    known = list(known)
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        near = format_suggestions(str(wrong[0]), known) if wrong else ""
        raise ValueError(f"{kind}(names={names!r}): give some of {', '.join(known)}{near}")
