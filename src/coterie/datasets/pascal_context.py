"""PASCAL-Context for five tasks, in the layout of PASCAL_MT.tgz."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from coterie.datasets import pascal_context_labels as labels
from coterie.metrics.dense.labels import check_names
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples, DenseSplit
from coterie.tasks.dense.kinds.edges import Edges
from coterie.tasks.dense.kinds.normals import Normals
from coterie.tasks.dense.kinds.saliency import Saliency
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.label_files import LabelFile, decode_rgb, make_absolute_path
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.validation import ValidatedDenseDataset

SPLITS = {"train": "train", "validation": "val"}
"""Split -> its file list in ImageSets/Context."""
TASKS: tuple[DenseTask, ...] = (
    Segmentation(name="semseg", classes=labels.SEMSEG_CLASSES, weight=1.0),
    Segmentation(name="human_parts", classes=labels.PART_CLASSES, weight=2.0),
    Saliency(name="sal", weight=5.0),
    Edges(name="edge", weight=50.0),
    Normals(name="normals", criterion="l1", weight=10.0),
)
NAMES = tuple(task.name for task in TASKS)
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
class PascalContext(DenseDataset):
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

    folder: str | Path
    names: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", make_absolute_path(self.folder))
        check_names("PascalContext", self.names, NAMES)

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(TASKS[NAMES.index(name)] for name in self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        if split not in SPLITS:
            raise ValueError(f"PascalContext has no split {split!r}: ask for {' or '.join(SPLITS)}")
        samples = PascalContextSplit(Path(self.folder), SPLITS[split], self.names)
        return ValidatedDenseDataset(samples, skip_bad_rows=skip_bad_rows)


class PascalContextSplit(DenseSplit):
    """The images of a file list."""

    def __init__(self, folder: Path, split: str, names: tuple[str, ...]) -> None:
        """Read the list. Raises ValueError if it cannot be read."""
        self.folder = folder
        self.list = folder / "ImageSets" / "Context" / f"{split}.txt"
        try:
            self.pictures = self.list.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{self.list} cannot be read ({error}): give the folder of PASCAL_MT"
            ) from None
        readers: dict[str, Callable[[str, tuple[int, ...]], Shaped[Tensor, "..."]]] = {
            "semseg": self.read_semseg,
            "human_parts": self.read_human_parts,
            "sal": self.read_saliency,
            "edge": self.read_edges,
            "normals": self.read_normals,
        }
        self.readers = {name: readers[name] for name in names}
        self.allowed = read_reliable_classes(folder)

    @property
    def title(self) -> str:
        return str(self.list)

    def __len__(self) -> int:
        return len(self.pictures)

    def list_files(self, index: int) -> list[LabelFile]:
        name = self.pictures[index]
        labels = [(file, task) for task in self.readers for file in FILES[task]]
        return [
            self.get_file(f"JPEGImages/{name}.jpg", "image"),
            *(self.get_file(file.format(name), task) for file, task in labels),
        ]

    def read(self, index: int) -> DenseSample:
        name = self.pictures[index]
        image = self.get_file(f"JPEGImages/{name}.jpg", "image").read(decode_rgb)
        found = {task: read(name, image.shape[1:]) for task, read in self.readers.items()}
        return DenseSample(image=torch.from_numpy(image), labels=found, source=name)

    def read_semseg(self, name: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        voc, context = (self.get_file(file.format(name), "semseg") for file in FILES["semseg"])
        file = voc if voc.path.exists() else context
        return file.read(lambda content: labels.decode_semseg(content, size))

    def read_human_parts(self, name: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        file = self.get_file(FILES["human_parts"][0].format(name), "human_parts")
        return file.read(lambda content: labels.decode_human_parts(content, size))

    def read_saliency(self, name: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        file = self.get_file(FILES["sal"][0].format(name), "sal")
        return file.read(lambda content: labels.decode_saliency(content, size))

    def read_edges(self, name: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        return labels.compute_edges(self.read_context(name, size, "edge"))

    def read_normals(self, name: str, size: tuple[int, ...]) -> Shaped[Tensor, "..."]:
        known = np.ones(size, bool)
        if self.allowed:
            known = labels.mask_reliable_normals(
                self.read_context(name, size, "normals"), self.allowed
            )
        file = self.get_file(FILES["normals"][0].format(name), "normals")
        return file.read(lambda content: labels.decode_normals(content, size, known))

    def read_context(
        self, name: str, size: tuple[int, ...], field: str
    ) -> Int64[np.ndarray, "height breadth"]:
        """Read the class of each pixel, one of 459."""
        file = self.get_file(CONTEXT.format(name), field)
        return file.read(lambda content: labels.decode_context(content, size))

    def get_file(self, name: str, field: str) -> LabelFile:
        """Return one file of a sample."""
        return LabelFile(folder=self.folder, name=name, field=field)


def read_reliable_classes(folder: Path) -> frozenset[int]:
    """Return the class numbers whose normals are known; empty if the lists do not exist.

    These are the classes of equal name in NYUv2 and PASCAL-Context, and "tvmonitor", as in the
    released code.

    Raises ValueError if only one of the lists exists, or they are not JSON objects.
    """
    for part in ("db_info", "json"):
        files = [folder / part / f"{of}_classes.json" for of in ("nyu", "context")]
        if not any(file.exists() for file in files):
            continue
        try:
            nyu, in_context = (json.loads(file.read_text(encoding="utf-8")) for file in files)
            shared = [*(name for name in nyu if name in in_context and name != "unknown")]
            return frozenset(int(in_context[name]) for name in [*shared, "tvmonitor"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{folder / part} has no good nyu_classes.json and context_classes.json ({error}): "
                "copy both from the released code, or remove them"
            ) from None
    return frozenset()
