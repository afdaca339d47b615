"""The samples of a dense split with their labels, scores of constants, and a missing split."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from coterie.datasets.nyuv2 import Nyuv2
from coterie.tasks.dense.dataset import DenseSample, DenseSamples
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.kinds.saliency import Saliency
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.split_summary import score_constant, summarize_splits
from coterie.tasks.dense.task import DenseTask
from coterie.tasks.dense.vision_config import VisionConfig
from tests.datasets.written import nyuv2

NAN = float("nan")


class Labelled(DenseSamples):
    """Images of one row of pixels with these labels of a task "t"."""

    bad_rows = ()

    def __init__(self, labels: list[Tensor | None]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> DenseSample:
        label = self.labels[index]
        image = torch.zeros(3, 1, 2, dtype=torch.uint8)
        return DenseSample(image=image, labels={} if label is None else {"t": label}, source="s")


def test_splits(tmp_path: Path) -> None:
    data = Nyuv2(folder=nyuv2(tmp_path))
    found, missing = summarize_splits(data, VisionConfig(), ("train", "test"))
    assert found.num_samples == 3 and found.is_good
    assert found.tasks == tuple(task.name for task in data.tasks)
    assert set(found.media_counts.values()) == {3}
    assert found.scores["chance"].startswith("not defined for dense tasks")
    # Depths of 2.5, 3.5 and 4.5 m: the mean of the first and the last is right for the second. All
    # normals are alike, so the error is 0 degrees.
    where = "(fitted to 2 training samples, scored on 1 others)"
    assert found.scores["depth, a constant"] == f"0 m depth_error {where}"
    assert float(found.scores["normal, a constant"].split()[0]) == pytest.approx(0, abs=1e-3)
    # NYUv2 has no split for tests, and can be trained on.
    assert missing.is_good and missing.notices[0].startswith("Nyuv2 has no split 'test'")


def test_the_constant_is_that_of_the_training_split(tmp_path: Path) -> None:
    data = Nyuv2(folder=nyuv2(tmp_path))
    _, found = summarize_splits(data, VisionConfig(), ("train", "validation"))
    assert "fitted to 2 training samples" in found.scores["depth, a constant"]
    # Without training samples there is nothing to fit to.
    (alone,) = summarize_splits(data, VisionConfig(), ("validation",))
    assert alone.num_samples and alone.scores == {}


@pytest.mark.parametrize(
    ("task", "labels", "score"),
    [
        # The mean of 1, 3 and 5 is 3: errors of 2, 0 and 2.
        (Regression(name="t"), [[[[1.0, 3.0]]], None, [[[5.0, NAN]]]], 4 / 3),
        # Class 1 of three labels: 0 of 1 for class 0, 2 of 3 for class 1, the third has none.
        (Segmentation(name="t", classes=3), [[[0, 1]], [[1, 255]]], 100 / 3),
        # All is salient: 1 of 4 pixels.
        (Saliency(name="t"), [[[[1.0, 0.0]]], [[[0.0, 0.0]]]], 50 / 2),
        # The mean of the targets is greatest for the second class, which 2 of 3 have.
        (Distillation(name="t", classes=2), [[0.9, 0.1], [0.0, 1.0], [0.2, 0.8]], 200 / 3),
    ],
)  # fmt: skip
def test_constants(task: DenseTask, labels: list[list | None], score: float) -> None:
    rows = Labelled([None if each is None else torch.tensor(each) for each in labels])
    found = score_constant(task, rows, rows)
    assert float(found.split()[0]) == pytest.approx(score, rel=5e-3)
    assert f" {task.make_metric()} (fitted to " in found


def test_a_constant_is_scored_on_other_samples() -> None:
    # Fitted to 1 and 3, it is 2; of 5 and 8 the errors are 3 and 6, their mean 4.5.
    fitted, scored = (
        Labelled([torch.tensor([[[value]]]) for value in values])
        for values in ((1.0, 3.0), (5.0, 8.0))
    )
    task = Regression(name="t")
    where = "(fitted to 2 training samples, scored on 2 others)"
    assert score_constant(task, fitted, scored) == f"4.5 {task.make_metric()} {where}"
    none = Labelled([None])
    assert score_constant(task, fitted, none) == "too few samples with labels to fit and score it"
    assert score_constant(task, none, scored) == "too few samples with labels to fit and score it"
