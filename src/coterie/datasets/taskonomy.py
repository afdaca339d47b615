"""Taskonomy, in the layout of its download tool: 13 tasks on pictures of 537 buildings."""

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
"""What stands in a file's name between the picture and the task."""
MASK = "mask_valid"


@dataclass(frozen=True, kw_only=True)
class Taskonomy(DenseDataset):
    """Indoor scenes with labels from scans, other models and filters (Zamir et al., CVPR 2018).

    Files as `omnitools.download` lays them down, and as the released code of Mod-Squad reads them:
    {task}/taskonomy/{scene}/point_{p}_view_{v}_domain_{task}.png, or .npy for class_object and
    class_scene; pictures in rgb/. The buildings of a split are in `folder`/splits_taskonomy/.

    Each label is resized, bilinear, and then encoded as in that code; see `taskonomy_labels`.
    Occlusion edges are blurred once a picture is cut, by `coterie.tasks.VisionConfig`.
    Losses are of that code, too; its weighting by uncertainty is not a matter of the data.

    Departs: where mask_valid/ says that the scan has a hole, or a depth is 65535, labels of
    geometry are unknown (NaN); the code learns from whatever stands there. A picture that lacks a
    file is bad; the code pairs files by their places in sorted lists.

    Attributes:
        folder: of the tasks' folders.
        names: the tasks that are wanted; by default all 13.
        size: height and breadth of what is read, in pixels; 256 as in the code.
        splits: the CSV of buildings, in `folder`/splits_taskonomy.
        broken_buildings: buildings that are left out; by default those of the code. Give ()
            to keep all.
        train_on_val: train on the buildings for validation, too, as the code does.
        test_share: how much of the test pictures is kept, from the first on: above 0, to 1.
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
            val_trains=self.train_on_val,
        )
        share = self.test_share if split == "test" else 1.0
        samples = TaskonomySplit(self, f"{self.folder}, {split}", found, share)
        return ValidatedDenseDataset(samples, skip_bad_rows=skip_bad_rows)


class TaskonomySplit(DenseSplit):
    """The pictures of some buildings."""

    def __init__(
        self, chosen: Taskonomy, title: str, buildings: tuple[str, ...], share: float
    ) -> None:
        """List the files; a picture is a sample if any of its files is there.

        Args:
            chosen: the data set.
            title: what errors call the split.
            buildings: whose pictures.
            share: how much of them, from the first on; at least one picture.

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
        # a building of which there is nothing counts as one picture, so that it is missed
        listed = [(name, view) for name in buildings for view in self.list_views(name) or [""]]
        self.samples = listed[: max(1, int(len(listed) * share))]

    def list_views(self, building: str) -> list[str]:
        """The pictures of a building, sorted by name, as that code has them."""
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
        """Where the scan has a hole, as far as mask_valid/ says so."""
        if not self.masked:
            return np.zeros(size, bool)

        def decode(content: bytes) -> Bool[np.ndarray, "height breadth"]:
            mask = decode_uint8(content)
            check_size(mask.shape, size)
            return mask == 0

        return self.get_mask_file(building, view).read(decode)

    def get_mask_file(self, building: str, view: str) -> LabelFile:
        """The file that says where the scan has a hole."""
        return self.get_file(MASK, building, view, domain="depth_zbuffer")

    def get_file(self, part: str, building: str, view: str, domain: str = "") -> LabelFile:
        """One file of a sample."""
        ending = "npy" if part.startswith("class_") else "png"
        name = f"{part}/taskonomy/{building}/{view}{DOMAIN}{domain or part}.{ending}"
        field = "image" if part == "rgb" else part
        return LabelFile(folder=self.folder, name=name, field=field)
