"""Rendered scenes with exact labels, in the format of `coterie_demo.scenes.manifest`."""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped
from torch import Tensor

from coterie.datasets.base import check_names, select_sensors
from coterie.metrics.dense.labels import DepthScale, to_class_map
from coterie.paths import get_cache_dir
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples, DenseSplit
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.label_files import LabelFile, make_absolute_path
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.dense.validation import ValidatedDenseDataset
from coterie_demo.scenes.manifest import (
    CLASSES,
    ENVIRONMENTS,
    SHAPES,
    SKY,
    SPLITS,
    RenderManifest,
)

DEPTHS = DepthScale(units_per_metre=512.0, log_range=2.0**16)
"""The depth scale of Taskonomy; fields are less than its 128 m deep."""
DEPTH_MEAN, DEPTH_STD = 0.676, 0.065
"""Of the encoded depths of 400 training images."""
CURVATURE_SCALE = 10.0
"""Unit of curvature labels in 1/m: a ball of radius 10 cm has curvature 1."""
IGNORE_INDEX = 255
"""Ignored label; every pixel of a scene has a class."""
MAX_CURVATURE = 3.0
"""Limit of curvature labels: squared errors at tips of cones would dominate the loss."""
DECODE_ERRORS = (
    ValueError, TypeError, LookupError, EOFError, OSError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
"""Errors that reading a damaged file raises."""
Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
"""The stored arrays of an image, by name."""


@dataclass(frozen=True)
class SceneLabel:
    """A task, and how its label is decoded from the arrays of an image."""

    task: DenseTask
    decode: Callable[[Arrays], Shaped[Tensor, "..."]]


def read_segmentation(arrays: Arrays) -> Int64[Tensor, "height breadth"]:
    """Read the class of each pixel, an index into CLASSES; all are known."""
    return to_class_map(arrays["classes"], classes=len(CLASSES), unknown=-1, ignored=IGNORE_INDEX)


def read_depth(arrays: Arrays) -> Float32[Tensor, "1 height breadth"]:
    """Read depth along the optical axis, encoded by DEPTHS; unknown in the sky."""
    return DEPTHS.encode(to_float32(arrays["depth"])[None])


def read_normals(arrays: Arrays) -> Float32[Tensor, "3 height breadth"]:
    """Read normals: x right, y up, z to the viewer; unknown in the sky."""
    return to_float32(arrays["normals"])


def read_curvature(arrays: Arrays) -> Float32[Tensor, "2 height breadth"]:
    """Read principal curvatures in CURVATURE_SCALE, the larger first; unknown in the sky."""
    return (to_float32(arrays["curvature"]) / CURVATURE_SCALE).clamp(-MAX_CURVATURE, MAX_CURVATURE)


def read_reshading(arrays: Arrays) -> Float32[Tensor, "1 height breadth"]:
    """Read Lambertian shading by a lamp above the camera, 0 to 1; unknown in the sky."""
    shares = make_unit_reader("reshading")(arrays)
    return shares.masked_fill(torch.from_numpy(arrays["classes"] == SKY), torch.nan)


def make_unit_reader(key: str) -> Callable[[Arrays], Float32[Tensor, "1 height breadth"]]:
    """Return a reader of values 0 to 255 as 0 to 1; all are known."""
    return lambda arrays: to_float32(arrays[key])[None] / 255


def make_class_reader(key: str, classes: int) -> Callable[[Arrays], Float32[Tensor, " classes"]]:
    """Return a reader of a class number as a one-hot vector."""
    return lambda arrays: torch.eye(classes)[int(arrays[key])]


def to_float32(stored: np.ndarray[Any, np.dtype[Any]]) -> Float32[Tensor, "..."]:
    """Convert an array to a float32 tensor."""
    return torch.from_numpy(stored.astype(np.float32))


LABELS: dict[str, SceneLabel] = {
    label.task.name: label
    for label in (
        SceneLabel(Segmentation(name="segmentation", classes=len(CLASSES)), read_segmentation),
        SceneLabel(Depth(name="depth", scale=DEPTHS), read_depth),
        SceneLabel(Normals(name="normals", criterion="cosine"), read_normals),
        SceneLabel(Regression(name="curvature", num_channels=2, exponent=2), read_curvature),
        SceneLabel(Edges(name="edges"), make_unit_reader("edges")),
        SceneLabel(Regression(name="keypoints2d"), make_unit_reader("keypoints2d")),
        SceneLabel(Regression(name="keypoints3d"), make_unit_reader("keypoints3d")),
        SceneLabel(Regression(name="reshading"), read_reshading),
        SceneLabel(
            Distillation(name="object", classes=len(SHAPES)),
            make_class_reader("object", len(SHAPES)),
        ),
        SceneLabel(
            Distillation(name="scene", classes=len(ENVIRONMENTS)),
            make_class_reader("setting", len(ENVIRONMENTS)),
        ),
    )
}

SENSORS = (Sensor(task=LABELS["depth"].task, mean=(DEPTH_MEAN,), std=(DEPTH_STD,)),)
"""The sensors beside the image; the sky, of unknown depth, gets the mean."""


def unpack_arrays(content: bytes) -> Arrays:
    """Read the arrays of an .npz file, verifying each checksum first.

    np.load parses an array's header before the checksum is verified.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
        }


def check_label(
    task: DenseTask, label: Shaped[Tensor, "*label"], sky: Bool[np.ndarray, "height breadth"]
) -> None:
    """Raise ValueError if a label's shape is not its image's, or it is unknown outside the sky."""
    if task.is_image_level:
        return
    size = (task.channels, *sky.shape) if label.is_floating_point() else sky.shape
    if label.shape != size:
        raise ValueError(f"{task.name} is {list(label.shape)}, not {list(size)}")
    known = torch.from_numpy(~sky)
    if not bool(label[..., known].isfinite().all()):
        raise ValueError(f"{task.name} is NaN or infinite outside of the sky")


@dataclass(frozen=True, kw_only=True)
class Scenes(DenseDataset):
    """Ten tasks on rendered scenes: rooms, halls, corridors, yards and fields with 3 to 8 objects.

    Labels are exact, as they come from the geometry: `coterie_demo.scenes.labels`, `.edges` and
    `.keypoints` define them. Objects of the test split have pairs of hue and texture that no other
    split has.

    Attributes:
        folder: the folder of the rendered scenes; None is "scenes" in coterie's cache folder.
        names: the tasks to load; by default all ten, each of weight 1.
        inputs: the sensors that the model gets, of "image" and "depth", exact as the label is.
    """

    folder: str | Path | None = None
    names: tuple[str, ...] = tuple(LABELS)
    inputs: tuple[str, ...] = (IMAGE.name,)

    def __post_init__(self) -> None:
        if self.folder is not None:
            object.__setattr__(self, "folder", make_absolute_path(self.folder))
        check_names("Scenes", self.names, LABELS)
        _ = self.sensors  # checks the fields that it reads

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(LABELS[name].task for name in self.names)

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        return select_sensors("Scenes", self.inputs, (), SENSORS, self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        return ValidatedDenseDataset(self.open_split(split), skip_bad_rows=skip_bad_rows)

    def load_images(self, split: str) -> DenseSamples:
        return ValidatedDenseDataset(self.open_split(split), reads=False)

    def open_split(self, split: str) -> "ScenesSplit":
        """List the samples of a split. Raises ValueError if there is no such split."""
        if split not in SPLITS:
            raise ValueError(f"Scenes has no split {split!r}: ask for {', '.join(SPLITS)}")
        folder = get_cache_dir() / "scenes" if self.folder is None else Path(self.folder)
        others = [sensor.name for sensor in self.sensors if not sensor.is_image]
        return ScenesSplit(folder, split, self.names, others)


def make_tasks() -> DenseTasks:
    """Return all tasks of the scenes in coterie's cache folder, for `--tasks scenes`."""
    return DenseTasks(dataset=Scenes())


class ScenesSplit(DenseSplit):
    """The images of a split that `scenes.json` lists."""

    def __init__(
        self, folder: Path, split: str, names: Sequence[str], sensors: Sequence[str] = ()
    ) -> None:
        """Read the manifest. Raises ValueError if it is missing or damaged.

        `names` are of tasks, `sensors` those beside the image.
        """
        self.folder, self.title = folder, f"{folder}, {split}"
        self.manifest = RenderManifest.read(folder)
        self.image_files = self.manifest.list_files(folder, split)
        self.names, self.sensors = tuple(names), tuple(sensors)

    def __len__(self) -> int:
        return len(self.image_files)

    def list_files(self, index: int) -> list[LabelFile]:
        name = self.image_files[index].relative_to(self.folder).as_posix()
        return [LabelFile(folder=self.folder, name=name, field="image")]

    def read(self, index: int) -> DenseSample:
        [file] = self.list_files(index)
        return file.read(
            lambda content: self.decode_sample(content, file.name.removesuffix(".npz"))
        )

    def decode_sample(self, content: bytes, source: str) -> DenseSample:
        """Decode the bytes of an image's file. Raises ValueError if they are damaged."""
        try:
            arrays = unpack_arrays(content)
            image = arrays["image"]
            if image.shape != (self.manifest.size, self.manifest.size, 3):
                raise ValueError(f"its image is {image.shape}, not of size {self.manifest.size}")
            maps = {name: LABELS[name].decode(arrays) for name in (*self.names, *self.sensors)}
            for name, each in maps.items():
                check_label(LABELS[name].task, each, arrays["classes"] == SKY)
        except DECODE_ERRORS as error:
            raise ValueError(
                f"is damaged ({error}): remove it and render it again with `coterie fetch scenes`"
            ) from None
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        labels, sensors = (
            {name: maps[name] for name in each} for each in (self.names, self.sensors)
        )
        return DenseSample(image=pixels, labels=labels, sensors=sensors, source=source)
