"""`FolderDataset`, the interface of data sets that load some of their tasks from a folder."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from coterie.annotations import format_suggestions
from coterie.tasks.dense.dataset import DenseDataset, DenseSamples, DenseSplit
from coterie.tasks.dense.label_files import make_absolute_path
from coterie.tasks.dense.sensor import IMAGE, Sensor
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


def check_names(
    kind: str, names: tuple[str, ...], known: Iterable[str], *, field: str = "names"
) -> None:
    """Raise ValueError unless a field of the data set `kind` has some of the `known` names."""
    known = list(known)
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        near = format_suggestions(str(wrong[0]), known) if wrong else ""
        raise ValueError(f"{kind}({field}={names!r}): give some of {', '.join(known)}{near}")


def select_sensors(
    kind: str,
    inputs: Sequence[str],
    optional: Sequence[str],
    known: Iterable[Sensor],
    tasks: Iterable[str],
) -> tuple[Sensor, ...]:
    """Return the sensors that the fields `inputs` and `optional` of a data set `kind` name.

    Args:
        known: those that the data set has beside the image.
        tasks: the names of its tasks.

    Raises ValueError for an unknown or repeated sensor, none that every sample has, or one whose
    map is the label of a task.
    """
    sensors = {sensor.name: sensor for sensor in (IMAGE, *known)}
    check_names(kind, tuple(inputs), sensors, field="inputs")
    if len(set(inputs)) < len(inputs):
        raise ValueError(f"{kind}(inputs={tuple(inputs)}): give each input once")
    others = [each for each in inputs if each != IMAGE.name]
    if optional and not others:
        raise ValueError(
            f"{kind}(optional={tuple(optional)}): the image is the only input, and every sample "
            "has it; leave it out, or add to inputs"
        )
    if optional:
        check_names(kind, tuple(optional), others, field="optional")
    if not set(inputs) - set(optional):
        raise ValueError(
            f"{kind}(optional={tuple(optional)}): every sample needs an input; leave one of "
            f"{', '.join(inputs)} out"
        )
    if answers := [name for name in inputs if name in set(tasks)]:
        raise ValueError(
            f"{kind}(inputs={tuple(inputs)}): {answers[0]!r} is a task, too, and the model would "
            "read its label: leave it out of names or of inputs"
        )
    return tuple(replace(sensors[name], optional=name in optional) for name in inputs)
