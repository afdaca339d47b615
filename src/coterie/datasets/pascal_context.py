"""PASCAL-Context for five tasks, in the layout of PASCAL_MT.tgz."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from coterie.datasets.base import FolderDataset
from coterie.metrics.dense.labels import Mask, to_camera_axes, to_class_map
from coterie.metrics.dense.thinning import thin_edges
from coterie.optional_imports import import_optional
from coterie.tasks.dense import label_files
from coterie.tasks.dense.dataset import DenseSample, DenseSplit
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.saliency import Saliency
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.label_files import LabelFile
from coterie.tasks.dense.task import DenseTask

ClassMap = Int64[np.ndarray, "height breadth"]
SEMSEG_CLASSES = 21
PART_CLASSES = 7
IGNORE_INDEX = 255
PERSON = 15
"""PASCAL-Part's class number of people."""
PART_NAMES = {
    1: "hair head lear lebrow leye mouth nose rear rebrow reye",
    2: "neck torso",
    3: "luarm ruarm",
    4: "lhand llarm rhand rlarm",
    5: "luleg ruleg",
    6: "lfoot llleg rfoot rlleg",
}
"""Class -> parts of a person: head, torso, upper and lower arms, upper and lower legs."""
PART_CLASS = {part: number for number, parts in PART_NAMES.items() for part in parts.split()}
SPLITS = {"train": "train", "validation": "val"}
"""Split -> its file list in ImageSets/Context."""
TASKS: dict[str, DenseTask] = {
    task.name: task
    for task in (
        Segmentation(name="semseg", classes=SEMSEG_CLASSES, weight=1.0),
        Segmentation(name="human_parts", classes=PART_CLASSES, weight=2.0),
        Saliency(name="sal", weight=5.0),
        Edges(name="edge", weight=50.0),
        Normals(name="normals", criterion="l1", weight=10.0),
    )
}
CONTEXT = "pascal-context/trainval/{}.mat"
FILES = {
    "semseg": ("semseg/VOC12/{}.png", "semseg/pascal-context/{}.png"),
    "human_parts": ("human_parts/{}.mat",),
    "sal": ("sal_distill/{}.png",),
    "edge": (CONTEXT,),
    "normals": ("normals_distill/{}.png", CONTEXT),
}
"""Task -> the label files of an image."""


@dataclass(frozen=True, kw_only=True)
class PascalContext(FolderDataset):
    """Semantic segmentation, human parts, saliency, edges and normals, with M3ViT's loss weights.

    Collected by Maninis et al. (ASTMT, CVPR 2019, arXiv 1904.08918), and read as in their
    released code and M3ViT's (arXiv 2210.14793):

    - ImageSets/Context/{train,val}.txt: one image name per line;
    - JPEGImages/*.jpg;
    - semseg: semseg/VOC12/*.png, or else semseg/pascal-context/*.png;
    - human_parts: human_parts/*.mat; an image without labelled parts is entirely unknown;
    - sal: sal_distill/*.png, predicted by another model;
    - edge: between objects of pascal-context/trainval/*.mat, see `compute_edges`;
    - normals: normals_distill/*.png, predicted by another model; known for classes that NYUv2
      has, too. This needs two class lists, nyu_classes.json and context_classes.json, in db_info/
      or json/ of `folder`: they are distributed with the code, not the data. Without them, the
      normals of all pixels are known.

    Published results use val; there is no third split. Normals are stored with x to the right and
    y downward, or both inverted, since the released code rotates them with the image; z is
    assumed to point to the viewer. They are returned with y upward.

    Attributes:
        folder: the unpacked PASCAL_MT folder.
        names: the tasks to load.
    """

    known_tasks: ClassVar[Mapping[str, DenseTask]] = TASKS
    folder: str | Path
    names: tuple[str, ...] = tuple(TASKS)

    def open_split(self, split: str) -> DenseSplit:
        if split not in SPLITS:
            raise ValueError(f"PascalContext has no split {split!r}: ask for {' or '.join(SPLITS)}")
        return PascalContextSplit(Path(self.folder), SPLITS[split], self.names)


class PascalContextSplit(DenseSplit):
    """The images of a file list."""

    def __init__(self, folder: Path, split: str, names: tuple[str, ...]) -> None:
        """Read the list. Raises ValueError if it cannot be read."""
        self.folder, self.names = folder, names
        file = folder / f"ImageSets/Context/{split}.txt"
        self.title = str(file)
        try:
            self.pictures = file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{file} cannot be read ({error}): give the folder of PASCAL_MT"
            ) from None
        self.allowed = read_reliable_classes(folder)

    def __len__(self) -> int:
        return len(self.pictures)

    def list_files(self, index: int) -> list[LabelFile]:
        files = [self.get_image_file(index)]
        return files + [file for task in self.names for file in self.get_label_files(index, task)]

    def read(self, index: int) -> DenseSample:
        image = self.get_image_file(index).read(label_files.decode_rgb)
        found = {task: self.read_label(index, task, image.shape[1:]) for task in self.names}
        source = self.pictures[index]
        return DenseSample(image=torch.from_numpy(image), labels=found, source=source)

    def read_label(self, index: int, task: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        """Read the label in the first file of the task, or the second if that does not exist."""
        first, *others = self.get_label_files(index, task)
        if task == "normals":
            known = np.ones(size, bool)
            if self.allowed:
                things = others[0].read(lambda content: decode_context(content, size))
                known = np.isin(things, list(self.allowed))
            return first.read(lambda content: decode_normals(content, size, known))
        file = first if first.path.exists() or not others else others[0]
        return file.read(lambda content: DECODERS[task](content, size))

    def get_image_file(self, index: int) -> LabelFile:
        name = f"JPEGImages/{self.pictures[index]}.jpg"
        return LabelFile(folder=self.folder, name=name, field="image")

    def get_label_files(self, index: int, task: str) -> list[LabelFile]:
        names = [file.format(self.pictures[index]) for file in FILES[task]]
        return [LabelFile(folder=self.folder, name=name, field=task) for name in names]


def read_reliable_classes(folder: Path) -> frozenset[int]:
    """Return the class numbers whose normals are known; empty if the lists do not exist.

    These are the indoor classes, of equal name in NYUv2 and PASCAL-Context, and "tvmonitor", for
    which the normals' teacher network is reliable, as in the released code. Raises ValueError if
    only one of the lists exists, or they are not JSON objects.
    """
    for part in ("db_info", "json"):
        files = [folder / part / f"{of}_classes.json" for of in ("nyu", "context")]
        if not any(file.exists() for file in files):
            continue
        try:
            nyu, in_context = (json.loads(file.read_text(encoding="utf-8")) for file in files)
            names = [name for name in nyu if name in in_context and name != "unknown"]
            return frozenset(int(in_context[name]) for name in [*names, "tvmonitor"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{folder / part} has no good nyu_classes.json and context_classes.json ({error}): "
                "copy both from the released code, or remove them"
            ) from None
    return frozenset()


def decode_semseg(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Decode classes 0 (background) to 20; 255 where unknown."""
    values = label_files.decode_uint8(content)
    label_files.check_size(values.shape, size)
    return to_class_map(values, classes=SEMSEG_CLASSES, unknown=IGNORE_INDEX, ignored=IGNORE_INDEX)


def decode_human_parts(content: bytes, size: tuple[int, ...]) -> Int64[Tensor, "height breadth"]:
    """Decode human parts, 0 elsewhere; all pixels are unknown if no part is labelled.

    Raises ValueError if `anno` is not in PASCAL-Part's format: the objects in an image, each with
    name, class, mask and parts, each part with name and mask.
    """
    found = label_files.decode_mat(content, "anno")
    labels = np.zeros(size, np.int64)
    try:
        people = [thing for thing in found[0, 0][1].ravel() if int(thing[1].item()) == PERSON]
        for part in [part for person in people for part in person[3].ravel()]:
            name, mask = str(part[0].item()), part[1]
            if name not in PART_CLASS:
                raise ValueError(f"names a part {name!r}: {', '.join(PART_CLASS)} are allowed")
            label_files.check_size(mask.shape, size)
            labels[mask.astype(bool)] = PART_CLASS[name]
    except (IndexError, TypeError, AttributeError) as error:
        problem = f"has an `anno` that is not PASCAL-Part's ({error}): fetch it again"
        raise ValueError(problem) from None
    labels[:] = labels if labels.any() else IGNORE_INDEX
    return torch.from_numpy(labels)


def decode_context(content: bytes, size: tuple[int, ...]) -> ClassMap:
    """Decode the class of each pixel, one of 459."""
    labels = label_files.decode_mat(content, "LabelMap")
    label_files.check_size(labels.shape, size)
    return labels.astype(np.int64)


def compute_edges(things: ClassMap) -> Float32[Tensor, "1 height breadth"]:
    """Compute edges: 1 on boundaries between different objects, 0 elsewhere.

    An edge is where the Laplacian of the class numbers (4 neighbours; the image is mirrored about
    its outermost pixels) is not 0, thinned by Guo and Hall's algorithm. The released code uses
    OpenCV and scikit-image for it.
    """
    laplace = import_optional("scipy.ndimage", "data").laplace
    laplacian = laplace(things.astype(np.float64), mode="mirror")
    return torch.from_numpy(thin_edges(laplacian != 0).astype(np.float32))[None]


def decode_saliency(content: bytes, size: tuple[int, ...]) -> Float32[Tensor, "1 height breadth"]:
    """Decode saliency: 1 where the stored probability, 0 to 255, is above a half, else 0."""
    values = label_files.decode_uint8(content)
    label_files.check_size(values.shape, size)
    return torch.from_numpy((values / 255 > 0.5).astype(np.float32))[None]


def decode_normals(
    content: bytes, size: tuple[int, ...], known: Mask
) -> Float32[Tensor, "3 height breadth"]:
    """Decode colours 2x / 255 - 1 to unit vectors; NaN where `known` is false."""
    values = label_files.decode_rgb_label(content)
    label_files.check_size(values.shape[1:], size)
    stored = torch.from_numpy(values.astype(np.float32)) * 2 / 255 - 1
    return torch.where(torch.from_numpy(known), to_camera_axes(stored), torch.nan)


DECODERS: dict[str, Callable[[bytes, tuple[int, ...]], Shaped[Tensor, "..."]]] = {
    "semseg": decode_semseg,
    "human_parts": decode_human_parts,
    "sal": decode_saliency,
    "edge": lambda content, size: compute_edges(decode_context(content, size)),
}
"""Task -> its decoder, from a file's bytes and the height and breadth of its image."""
