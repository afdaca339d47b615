"""Taskonomy in the layout of its download tool: 13 tasks on images of 537 buildings."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from coterie.datasets.base import FolderDataset
from coterie.datasets.taskonomy_labels import LABELS
from coterie.metrics.dense.labels import Mask
from coterie.tasks.dense.dataset import DenseSample, DenseSplit
from coterie.tasks.dense.label_files import LabelFile, check_size, decode_rgb, decode_uint8
from coterie.tasks.dense.resize import resize_image
from coterie.tasks.dense.task import DenseTask

DOMAIN = "_domain_"
"""Separator of view and task in file names."""
MASK = "mask_valid"
BROKEN_BUILDINGS = (
    *"woodbine wiconisco brinnon cauthron cochranton donaldson german castor tokeland".split(),
    *"andover rogue athens broseley tilghmanton winooski rosser arkansaw bonnie willow".split(),
    *"timberon bohemia micanopy thrall annona byers anaheim duarte wyldwood".split(),
)
"""Buildings that the released code of Mod-Squad removes from the medium split.

It states that woodbine is missing and wiconisco lacks 80 images of edge_texture; for the
others it gives no reason.
"""


@dataclass(frozen=True, kw_only=True)
class Taskonomy(FolderDataset):
    """Indoor scenes labelled by scans, other models and filters (Zamir et al., CVPR 2018).

    Files are as `omnitools.download` stores them and the released code of Mod-Squad reads them:
    {task}/taskonomy/{scene}/point_{p}_view_{v}_domain_{task}.png, or .npy for class_object and
    class_scene; images in rgb/. The buildings of a split are in `folder`/splits_taskonomy/.

    Each label is resized bilinearly and then encoded as in that code; see `taskonomy_labels`.
    Occlusion edges are blurred after cropping, by `coterie.tasks.VisionConfig`. Losses are that
    code's, too; its uncertainty weighting is not part of the data set.

    Departs: where mask_valid/ marks a hole of the scan, or a depth is 65535, labels of geometry
    are unknown (NaN); the code trains on the stored values. An image that lacks a file is bad;
    the code pairs files by their positions in sorted lists.

    Attributes:
        folder: parent of the tasks' folders.
        names: the tasks to load; by default all 13.
        size: height and breadth of loaded images and labels, in pixels; 256 as in the code.
        splits: the CSV of buildings in `folder`/splits_taskonomy.
        broken_buildings: buildings to skip; by default those of the code. () skips none.
        train_on_val: also train on the validation buildings, as the code does.
        test_share: share of the test images to use, from the first: above 0, to 1.
    """

    known_tasks: ClassVar[Mapping[str, DenseTask]] = {k: each.task for k, each in LABELS.items()}
    folder: str | Path
    names: tuple[str, ...] = tuple(LABELS)
    size: int = 256
    splits: str = "train_val_test_medium.csv"
    broken_buildings: tuple[str, ...] = BROKEN_BUILDINGS
    train_on_val: bool = True
    test_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ValueError(f"Taskonomy(size={self.size}): give pixels, at least 1")
        if not 0 < self.test_share <= 1:
            raise ValueError(f"Taskonomy(test_share={self.test_share}): give a share, above 0 to 1")

    def open_split(self, split: str) -> DenseSplit:
        return TaskonomySplit(self, split)


class TaskonomySplit(DenseSplit):
    """The images of some buildings."""

    def __init__(self, chosen: Taskonomy, split: str) -> None:
        """List the buildings' images, of which some are used, from the first; at least one.

        An image is a sample if any of its files exists. Raises ValueError if a task's folder is
        missing, and as `list_buildings`.
        """
        self.size, self.folder = (chosen.size, chosen.size), Path(chosen.folder)
        file, broken = self.folder / "splits_taskonomy" / chosen.splits, chosen.broken_buildings
        buildings = list_buildings(file, split, broken=broken, train_on_val=chosen.train_on_val)
        share = chosen.test_share if split == "test" else 1.0
        self.title = f"{chosen.folder}, {split}"
        self.parts = ("rgb", *chosen.names)
        for part in self.parts:
            if not (self.folder / part / "taskonomy").is_dir():
                raise ValueError(
                    f"{self.folder / part / 'taskonomy'} is no folder: fetch {part} with "
                    "omnitools.download, or leave that task out of `names`"
                )
        self.masked = (self.folder / MASK / "taskonomy").is_dir()
        # a building without files counts as one image, so that it is reported as missing
        listed = [(name, view) for name in buildings for view in self.list_views(name) or [""]]
        self.samples = listed[: max(1, int(len(listed) * share))]

    def list_views(self, building: str) -> list[str]:
        """List the views of a building, sorted by name as in the released code."""
        found: set[str] = set()
        for part in self.parts:
            folder = self.folder / part / "taskonomy" / building
            found |= {file.name.partition(DOMAIN)[0] for file in folder.glob(f"*{DOMAIN}*")}
        return sorted(found)

    def __len__(self) -> int:
        return len(self.samples)

    def list_files(self, index: int) -> list[LabelFile]:
        building, view = self.samples[index]
        if not view:
            name = f"rgb/taskonomy/{building}"
            return [LabelFile(folder=self.folder, name=name, field="image")]
        found = []
        for part in [*self.parts, MASK] if self.masked else self.parts:
            ending = "npy" if part.startswith("class_") else "png"
            domain = "depth_zbuffer" if part == MASK else part
            name = f"{part}/taskonomy/{building}/{view}{DOMAIN}{domain}.{ending}"
            field = "image" if part == "rgb" else part
            found.append(LabelFile(folder=self.folder, name=name, field=field))
        return found

    def read(self, index: int) -> DenseSample:
        building, view = self.samples[index]
        image_file, *files = self.list_files(index)
        if not view:
            problem = "is missing or has no pictures: fetch it, or name it in `broken`"
            raise image_file.make_error(problem)
        image = image_file.read(decode_rgb)
        size = image.shape[1:]
        hole = np.zeros(size, bool)
        if self.masked:
            hole = files.pop().read(lambda content: decode_invalid_mask(content, size))
        found = {
            file.field: file.read(
                lambda content, label=LABELS[file.field]: label.read(content, size, self.size, hole)
            )
            for file in files
        }
        resized = resize_image(torch.from_numpy(image), self.size)
        return DenseSample(image=resized, labels=found, source=f"{building}/{view}")


def decode_invalid_mask(content: bytes, size: tuple[int, ...]) -> Mask:
    """Decode the mask of holes of the scan from that of valid pixels."""
    mask = decode_uint8(content)
    check_size(mask.shape, size)
    return mask == 0


def list_buildings(
    file: Path, split: str, *, broken: Collection[str], train_on_val: bool
) -> tuple[str, ...]:
    """List the buildings of a split, in the order of its CSV, without the `broken` ones.

    The first column names the building; columns train, val and test are 0 or 1. Raises ValueError
    if there is no such split, file, column or building.
    """
    columns = {"train": ["train"], "validation": ["val"], "test": ["test"]}
    if train_on_val:
        columns["train"] += columns.pop("validation")
    if split not in columns:
        raise ValueError(
            f"Taskonomy(train_on_val={train_on_val}) has no split {split!r}: ask for "
            f"{' or '.join(columns)}, or give train_on_val=False for validation"
        )
    rows, header = read_csv(file)
    wanted = [header.index(column) for column in columns[split]]
    named = [row[0] for row in rows if any(row[column].strip() == "1" for column in wanted)]
    found = tuple(name for name in named if name not in broken)
    if not found:
        left_out = f"; {len(named)} are left out by `broken`" if named else ""
        raise ValueError(f"{file} names no building for {split}{left_out}: give another file")
    return found


def read_csv(file: Path) -> tuple[list[list[str]], list[str]]:
    """Read the rows and the header of a split's CSV."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            header, *rows = [row for row in csv.reader(lines) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{file} cannot be read ({error}): unpack splits_taskonomy.zip of "
            "https://github.com/StanfordVL/taskonomy there, or give `splits`"
        ) from None
    header = [name.strip() for name in header]
    missing = {"train", "val", "test"} - set(header)
    if missing:
        raise ValueError(
            f"{file} has no column {', '.join(sorted(missing))}, but "
            f"{', '.join(header) or 'nothing'}: id, train, val and test are needed"
        )
    short = [row for row in rows if len(row) != len(header)]
    if short:
        raise ValueError(f"{file} has a row {short[0]}: one value for each of {header} is needed")
    return rows, header
