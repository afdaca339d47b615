"""Taskonomy in the layout of its download tool: 13 tasks on images of 537 buildings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from coterie.datasets.taskonomy_labels import LABELS
from coterie.datasets.taskonomy_splits import BROKEN_BUILDINGS, list_buildings
from coterie.metrics.dense.labels import check_names
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples, DenseSplit
from coterie.tasks.dense.label_files import (
    LabelFile,
    check_size,
    decode_rgb,
    decode_uint8,
    make_absolute_path,
)
from coterie.tasks.dense.resize import resize_image
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.validation import ValidatedDenseDataset

DOMAIN = "_domain_"
"""Separator of view and task in file names."""
MASK = "mask_valid"


@dataclass(frozen=True, kw_only=True)
class Taskonomy(DenseDataset):
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

    folder: str | Path
    names: tuple[str, ...] = tuple(LABELS)
    size: int = 256
    splits: str = "train_val_test_medium.csv"
    broken_buildings: tuple[str, ...] = BROKEN_BUILDINGS
    train_on_val: bool = True
    test_share: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", make_absolute_path(self.folder))
        check_names("Taskonomy", self.names, LABELS)
        if self.size < 1:
            raise ValueError(f"Taskonomy(size={self.size}): give pixels, at least 1")
        if not 0 < self.test_share <= 1:
            raise ValueError(f"Taskonomy(test_share={self.test_share}): give a share, above 0 to 1")

    @property
    def tasks(self) -> tuple[DenseTask, ...]:
        return tuple(LABELS[name].task for name in self.names)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        found = list_buildings(
            Path(self.folder) / "splits_taskonomy" / self.splits,
            split,
            broken=self.broken_buildings,
            train_on_val=self.train_on_val,
        )
        share = self.test_share if split == "test" else 1.0
        samples = TaskonomySplit(self, f"{self.folder}, {split}", found, share)
        return ValidatedDenseDataset(samples, skip_bad_rows=skip_bad_rows)


class TaskonomySplit(DenseSplit):
    """The images of some buildings."""

    def __init__(
        self, chosen: Taskonomy, title: str, buildings: tuple[str, ...], share: float
    ) -> None:
        """List the files. An image is a sample if any of its files exists.

        Args:
            chosen: the data set's configuration.
            title: name of the split in error messages.
            buildings: the split's buildings.
            share: share of their images, from the first; at least one image.

        Raises ValueError if a task's folder is missing.
        """
        self.labels, self.display_name, self.folder = chosen, title, Path(chosen.folder)
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

    @property
    def title(self) -> str:
        return self.display_name

    def __len__(self) -> int:
        return len(self.samples)

    def list_files(self, index: int) -> list[LabelFile]:
        building, view = self.samples[index]
        if not view:
            name = f"rgb/taskonomy/{building}"
            return [LabelFile(folder=self.folder, name=name, field="image")]
        found = [self.get_file(part, building, view) for part in self.parts]
        return [*found, self.get_mask_file(building, view)] if self.masked else found

    def read(self, index: int) -> DenseSample:
        building, view = self.samples[index]
        if not view:
            (lost,) = self.list_files(index)
            raise lost.make_error("is missing or has no pictures: fetch it, or name it in `broken`")
        image = self.get_file("rgb", building, view).read(decode_rgb)
        size = image.shape[1:]
        hole = self.read_invalid_mask(building, view, size)
        target = (self.labels.size, self.labels.size)
        found = {
            name: self.get_file(name, building, view).read(
                lambda content, name=name: LABELS[name].read(content, size, target, hole)
            )
            for name in self.labels.names
        }
        return DenseSample(
            image=resize_image(torch.from_numpy(image), target),
            labels=found,
            source=f"{building}/{view}",
        )

    def read_invalid_mask(
        self, building: str, view: str, size: tuple[int, ...]
    ) -> Bool[np.ndarray, "height breadth"]:
        """Read the mask of holes of the scan; all false without mask_valid/."""
        if not self.masked:
            return np.zeros(size, bool)

        def decode(content: bytes) -> Bool[np.ndarray, "height breadth"]:
            mask = decode_uint8(content)
            check_size(mask.shape, size)
            return mask == 0

        return self.get_mask_file(building, view).read(decode)

    def get_mask_file(self, building: str, view: str) -> LabelFile:
        """Return the file of the mask of valid pixels."""
        return self.get_file(MASK, building, view, domain="depth_zbuffer")

    def get_file(self, part: str, building: str, view: str, domain: str = "") -> LabelFile:
        """Return one file of a sample."""
        ending = "npy" if part.startswith("class_") else "png"
        name = f"{part}/taskonomy/{building}/{view}{DOMAIN}{domain or part}.{ending}"
        field = "image" if part == "rgb" else part
        return LabelFile(folder=self.folder, name=name, field=field)
