"""NYUv2 as preprocessed by the released code of MTAN: numbered .npy files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

from coterie.datasets.base import FolderDataset, select_sensors
from coterie.metrics.dense.labels import to_camera_axes, to_class_map
from coterie.tasks.dense.dataset import DenseSample, DenseSplit
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.label_files import LabelFile, check_shape, decode_npy
from coterie.tasks.dense.sensor import IMAGE, Sensor
from coterie.tasks.dense.task import DenseTask

FOLDERS = {"train": "train", "validation": "val"}
"""Split -> folder."""
FILES = {"image": "image", "segmentation": "label", "depth": "depth", "normal": "normal"}
"""Field of a sample -> folder of its files."""
CLASSES = 13
IGNORE_INDEX = 255
TASKS: dict[str, DenseTask] = {
    "segmentation": Segmentation(name="segmentation", classes=CLASSES, ignore_index=IGNORE_INDEX),
    "depth": Depth(name="depth"),
    "normal": Normals(name="normal", criterion="cosine"),
}
SENSORS = (Sensor(task=TASKS["depth"], std=(10.0,)),)
"""The sensors beside the image; metres are divided by 10, the range of a Kinect."""
LIGHTER = 1.001
"""Maximum image value: 1 up to rounding."""
Array = Shaped[np.ndarray, "..."]


def encode_image(values: Array) -> UInt8[Tensor, "channels height breadth"]:
    """Encode an image from 0 to 1 as uint8, rounding half to even."""
    check_shape(values.shape, (*values.shape[:2], 3))
    if not (values.min() >= 0 and values.max() <= LIGHTER):
        raise ValueError(
            f"goes from {values.min():.4g} to {values.max():.4g}: 0 to 1 is allowed; divide by 255"
        )
    steps = np.rint(255 * values.astype(np.float64)).clip(0, 255)
    return torch.from_numpy(steps.astype(np.uint8).transpose(2, 0, 1).copy())


def encode_segmentation(values: Array, size: tuple[int, int]) -> Int64[Tensor, "height breadth"]:
    """Encode class numbers; -1 becomes IGNORE_INDEX."""
    check_shape(values.shape, size)
    return to_class_map(values, classes=CLASSES, unknown=-1, ignored=IGNORE_INDEX)


def encode_depth(values: Array, size: tuple[int, int]) -> Float32[Tensor, "1 height breadth"]:
    """Encode metres, 0 as NaN. Raises ValueError for negative or infinite depths, or only 0."""
    check_shape(values.shape, (*size, 1))
    metres = torch.from_numpy(values[..., 0].astype(np.float32))[None]
    metres = torch.where(metres == 0, torch.nan, metres)
    known = metres[~metres.isnan()]
    if not len(known):
        raise ValueError("has no depth at any pixel: leave this sample out")
    if known.min() < 0 or known.max() == torch.inf:
        raise ValueError(
            f"goes from {known.min():.4g} to {known.max():.4g}: metres above 0 are allowed, and 0 "
            "for unknown"
        )
    return metres


def encode_normals(values: Array, size: tuple[int, int]) -> Float32[Tensor, "3 height breadth"]:
    """Encode unit vectors; 0, 0, 0 becomes NaN. Raises ValueError if infinite or all unknown."""
    check_shape(values.shape, (*size, 3))
    if np.isinf(values).any():
        raise ValueError("is infinite somewhere: parts of unit vectors are allowed, -1 to 1")
    vectors = to_camera_axes(torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1))
    if vectors.isnan().all():
        raise ValueError("has no normal at any pixel: leave this sample out")
    return vectors


ENCODERS = {"segmentation": encode_segmentation, "depth": encode_depth, "normal": encode_normals}
"""Task -> encoder of its arrays, for an image's height and breadth."""


@dataclass(frozen=True, kw_only=True)
class Nyuv2(FolderDataset):
    """Indoor scenes with 13 classes, depth and normals: 795 training, 654 validation images.

    `folder` holds train/ and val/ with image/, label/, depth/ and normal/, each of 0.npy, 1.npy
    and so on, as in nyuv2.zip of https://github.com/lorenmt/mtan (Liu et al., End-to-End
    Multi-Task Learning with Attention, CVPR 2019, arXiv 1803.10704):

    - image: [height, breadth, 3], 0 to 1;
    - label: [height, breadth], 0 to 12, -1 where unknown;
    - depth: [height, breadth, 1], in metres, 0 where unknown;
    - normal: [height, breadth, 3], all 0 where unknown.

    Published results use val/, the test set of NYUv2's authors; there is no third split. The
    stored normals are assumed to point right, down and to the viewer, as the colours of NYUv2 do
    (Armeni et al., arXiv 1702.01105, sec. 4.2), and are returned as right, up and to the viewer.
    The files do not document this; if x and y were both inverted, flipping and rotation would
    still be correct, since both commute with a half turn.

    Attributes:
        folder: parent of train/ and val/.
        names: the tasks to load, of "segmentation", "depth" and "normal".
        inputs: the sensors that the model gets, of "image" and "depth", whose files are those of
            the task.
        optional: those of the inputs, but the image, whose file a sample may lack.
    """

    known_tasks: ClassVar[Mapping[str, DenseTask]] = TASKS
    folder: str | Path
    names: tuple[str, ...] = tuple(TASKS)
    inputs: tuple[str, ...] = (IMAGE.name,)
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.sensors  # checks the fields that it reads

    @property
    def sensors(self) -> tuple[Sensor, ...]:
        return select_sensors("Nyuv2", self.inputs, self.optional, SENSORS, self.names)

    def open_split(self, split: str) -> DenseSplit:
        if split not in FOLDERS:
            raise ValueError(f"Nyuv2 has no split {split!r}: ask for {' or '.join(FOLDERS)}")
        return Nyuv2Split(Path(self.folder) / FOLDERS[split], self.names, self.sensors)


class Nyuv2Split(DenseSplit):
    """The numbered samples of train/ or val/."""

    def __init__(
        self, folder: Path, names: Sequence[str], sensors: Sequence[Sensor] = (IMAGE,)
    ) -> None:
        """List the files: any makes its number a sample. Raises ValueError without a folder."""
        self.sensors = {sensor.name: sensor for sensor in sensors if not sensor.is_image}
        self.folder, self.title = folder, str(folder)
        self.fields = ("image", *names, *self.sensors)
        stems: set[str] = set()
        for part in [FILES[field] for field in self.fields]:
            if not (folder / part).is_dir():
                raise ValueError(f"{folder / part} is no folder: fetch nyuv2.zip, and unpack it")
            stems |= {file.stem for file in (folder / part).glob("*.npy")}
        self.stems = sorted(stems, key=lambda stem: (len(stem), stem))

    def __len__(self) -> int:
        return len(self.stems)

    def list_files(self, index: int) -> list[LabelFile]:
        folder, stem = self.folder, self.stems[index]
        names = [f"{folder.name}/{FILES[field]}/{stem}.npy" for field in self.fields]
        pairs = zip(names, self.fields, strict=True)
        return [LabelFile(folder=folder.parent, name=name, field=field) for name, field in pairs]

    def read(self, index: int) -> DenseSample:
        image_file, *files = self.list_files(index)
        image = image_file.read(lambda content: encode_image(decode_npy(content)))
        size = image.shape[1], image.shape[2]
        maps = {
            file.field: file.read(
                lambda content, encode=ENCODERS[file.field]: encode(decode_npy(content), size)
            )
            for file in files
            if not self._may_lack(file.field) or file.path.exists()
        }
        sensors = {name: maps.pop(name) for name in self.sensors if name in maps}
        source = f"{self.folder.name}/{self.stems[index]}"
        return DenseSample(image=image, labels=maps, sensors=sensors, source=source)

    def _may_lack(self, field: str) -> bool:
        """Return whether a sample may lack the file of a field."""
        return field in self.sensors and self.sensors[field].optional
