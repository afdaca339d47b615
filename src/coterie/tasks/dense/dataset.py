"""`DenseDataset`, the interface of dense data sets, and `DenseSample`."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.tasks.dense.label_files import LabelFile
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.task import DenseTask

Image = UInt8[Tensor, "channels height breadth"]
Label = Shaped[Tensor, "..."]
Tasks = Sequence[DenseTask]


@dataclass(frozen=True, kw_only=True)
class DenseSample:
    """An image and its labels, and maps of other sensors.

    Attributes:
        image: RGB, 0 to 255.
        labels: task name -> label, see `DenseTask`, of the image's size; some may be missing.
        source: name for errors and predictions, such as "adairsville/point_1_view_2".
        sensors: sensor name -> its map, in the format of a label of `Sensor.task`; without the
            image.
        withheld: names of sensors, the image among them, that the model does not get.
    """

    image: Image
    labels: Mapping[str, Label]
    source: str
    sensors: Mapping[str, Label] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()

    @property
    def size(self) -> tuple[int, int]:
        """Height and breadth in pixels."""
        return self.image.shape[-2], self.image.shape[-1]

    def has(self, sensor: Sensor) -> bool:
        """Return whether the model gets a sensor's map."""
        known = sensor.is_image or sensor.name in self.sensors
        return known and sensor.name not in self.withheld

    def check(self, tasks: Tasks, sensors: Sequence[Sensor] = (IMAGE,)) -> None:
        """Raise ValueError, naming the sample, if a map is of a wrong shape or type, or missing.

        Data sets of coterie check their files; those of users' own are checked here.
        """
        image = self.image
        if image.dtype != torch.uint8 or image.ndim != 3 or len(image) != 3:
            raise ValueError(
                f"{self.source}: an image of shape {list(image.shape)} and {image.dtype}: give "
                "[3, height, breadth] in torch.uint8"
            )
        others = [sensor for sensor in sensors if not sensor.is_image]
        for what, known, formats in (
            ("task", self.labels, tasks),
            ("sensor", self.sensors, [sensor.task for sensor in others]),
        ):
            for task in formats:
                if task.name in known:
                    try:
                        task.check_label(known[task.name], *self.size)
                    except ValueError as error:
                        raise ValueError(
                            f"{self.source}: {what} {task.name!r} has {error}"
                        ) from None
        missing = [each.name for each in others if each.name not in self.sensors]
        needed = [each.name for each in others if not each.optional and each.name in missing]
        if needed or len(missing) == len(sensors):
            raise ValueError(
                f"{self.source}: the sensor {(needed or missing)[0]!r} is missing: give its map, "
                "or make it optional where another sensor remains"
            )

    def transform(
        self, image: Image, tasks: Tasks, change: Callable[[Label, DenseTask], Label]
    ) -> "DenseSample":
        """Return the sample with another image, and the labels and maps of `tasks` changed."""
        labels, sensors = (
            {task.name: change(maps[task.name], task) for task in tasks if task.name in maps}
            for maps in (self.labels, self.sensors)
        )
        return replace(self, image=image, labels=labels, sensors=sensors)

    def withhold(self, names: Iterable[str]) -> "DenseSample":
        """Return the sample without some sensors for the model."""
        return replace(self, withheld=self.withheld.union(names))


class DenseSamples(Dataset[DenseSample]):
    """The samples of a dense data set."""

    def compute_digest(self, index: int) -> str:
        """Compute a digest of a sample's maps and labels, or of what says they are unchanged."""
        sample = self[index]
        parts = {"image": sample.image, **sample.sensors, **sample.labels}
        digest = hashlib.sha256(sample.source.encode())
        for name in sorted(parts):
            values = parts[name].contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.numpy().tobytes())
        return digest.hexdigest()

    def measure_image(self, index: int) -> str:
        """Return what two equal images have in common, without reading them if that can be."""
        return self.compute_image_digest(index)

    def compute_image_digest(self, index: int) -> str:
        """Compute a digest of a sample's image alone: of its file, or of its pixels."""
        image = self[index].image.contiguous()
        digest = hashlib.sha256(f"{image.dtype} {tuple(image.shape)}".encode())
        digest.update(image.numpy().tobytes())
        return digest.hexdigest()


class DenseDataset(ABC):
    """A data set on disk. Kinds are frozen keyword-only dataclasses that name a folder."""

    @property
    @abstractmethod
    def tasks(self) -> tuple[DenseTask, ...]:
        """The tasks, in head order."""

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        """The inputs of the model; by default the RGB image alone."""
        return (IMAGE,)

    def select(self, names: Sequence[str]) -> "DenseDataset":
        """Return the data set with these of its tasks. Raises ValueError for an unknown name."""
        return replace(cast(Any, self), names=tuple(names))

    def list_folders(self) -> tuple[Path, ...]:
        """List the folders of its files; empty if it has none."""
        return ()

    @abstractmethod
    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        """Load the samples of "train", "validation" or "test", after reading every file once.

        Raises ValueError for an unknown split, if no sample is valid, or with the number of damaged
        files and the first 20, unless these are skipped, and listed in `bad_rows` of the result.
        """

    def load_images(self, split: str) -> DenseSamples:
        """Load a split to compare its images; data sets of files need not read every file."""
        return self.load_split(split, skip_bad_rows=True)


class DenseSplit(ABC):
    """The samples of one split, valid or not, by index."""

    title: str
    """Folder and split, for error messages."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples that are listed or have files."""

    @abstractmethod
    def list_files(self, index: int) -> list[LabelFile]:
        """List the files of sample `index`, its image first, whether they exist or not."""

    @abstractmethod
    def read(self, index: int) -> DenseSample:
        """Read a sample. Raises LabelFileError for the first file that is missing or damaged."""
