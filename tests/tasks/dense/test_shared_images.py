"""Images that two splits share, by their files and by their pixels."""

from dataclasses import dataclass
from pathlib import Path

import torch

from coterie.datasets.nyuv2 import Nyuv2
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.task_set import DenseTasks
from coterie.train.check import list_overlaps
from tests.datasets.written import npy, nyuv2, nyuv2_arrays, put


def find(tasks: DenseTasks, split: str, other: str) -> dict[str, list[str]]:
    datasets = tasks.load_evaluation_datasets(split, limit=None, blind=False, skip_bad_rows=False)
    found = tasks.find_shared_samples(datasets, other)
    return {name: [each.source for each in shared] for name, shared in found.items()}


def test_equal_files(tmp_path: Path) -> None:
    tasks = DenseTasks(dataset=Nyuv2(folder=nyuv2(tmp_path), names=("depth",)))
    # All images of the fixture are alike, whatever their labels.
    assert find(tasks, "validation", "train") == {"depth": ["val/0"]}
    assert find(tasks, "validation", "nothing") == {}
    (told,) = list_overlaps(tasks)
    assert told.startswith("task 'depth': 1 rows of 'validation' are rows of 'train', too")
    put(tmp_path / "val/image/0.npy", npy(nyuv2_arrays(0)["image"] + 0.1))  # of equal size
    assert find(tasks, "validation", "train") == {"depth": []} and not [*list_overlaps(tasks)]


class Filled(DenseSamples):
    """Images that are filled with one value each."""

    bad_rows = ()

    def __init__(self, values: tuple[int, ...]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> DenseSample:
        image = torch.full((3, 8, 8), self.values[index], dtype=torch.uint8)
        return DenseSample(image=image, labels={"t": torch.eye(2)[0]}, source=f"number {index}")


@dataclass(frozen=True, kw_only=True)
class Numbers(DenseDataset):
    """A set of images that has no files."""

    tasks = (Distillation(name="t", classes=2),)

    def load_split(self, split: str, *, skip_bad_rows: bool = False) -> DenseSamples:
        return Filled({"train": (1, 2), "validation": (3,), "test": (4, 3, 1, 1)}[split])


def test_equal_pixels() -> None:
    tasks = DenseTasks(dataset=Numbers())
    assert find(tasks, "test", "train") == {"t": ["number 2", "number 3"]}
    assert find(tasks, "test", "validation") == {"t": ["number 1"]}
    assert [each.split(", too")[0] for each in list_overlaps(tasks)] == [
        "task 't': 2 rows of 'test' are rows of 'train'",
        "task 't': 1 rows of 'test' are rows of 'validation'",
    ]
