from pathlib import Path

import pytest
import torch

from coterie.tasks.dense.dataset import DenseSample, DenseSplit
from coterie.tasks.dense.label_files import LabelFile, LabelFileError
from coterie.tasks.dense.validation import ValidatedDenseDataset


class Numbers(DenseSplit):
    """As many samples as wanted, some of them bad."""

    def __init__(self, count: int, bad: set[int]) -> None:
        self.count, self.bad_rows = count, bad

    @property
    def title(self) -> str:
        return "numbers"

    def __len__(self) -> int:
        return self.count

    def list_files(self, index: int) -> list[LabelFile]:
        return [LabelFile(folder=Path("nowhere"), name=f"{index}.png", field="depth")]

    def read(self, index: int) -> DenseSample:
        if index in self.bad_rows:
            raise LabelFileError(f"{index}.png", "depth", f"is {index}")
        image = torch.zeros(3, 1, 1, dtype=torch.uint8)
        return DenseSample(image=image, labels={}, source=str(index))


def test_good_samples_keep_their_order_and_bad_ones_theirs() -> None:
    rows = ValidatedDenseDataset(Numbers(1000, {3, 500, 999}), skip_bad_rows=True)
    assert len(rows) == 997 and [rows[i].source for i in (0, 3, 499, -1)] == [
        "0",
        "4",
        "501",
        "998",
    ]
    assert [bad.source for bad in rows.bad_rows] == ["3.png", "500.png", "999.png"]
    with pytest.raises(IndexError):
        rows[997]


def test_bad_samples_are_refused_by_name() -> None:
    with pytest.raises(ValueError) as error:
        ValidatedDenseDataset(Numbers(4, {1, 2}))
    assert str(error.value) == (
        "numbers has 2 bad samples of 4; mend the files, or leave the samples out by "
        "skip_bad_rows=True (--skip-bad-rows)\n  1.png: depth: is 1\n  2.png: depth: is 2"
    )
