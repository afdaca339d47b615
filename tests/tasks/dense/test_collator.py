"""Batches of pictures: pixels as the backbone knows them, and labels that say where they are."""

import json
from dataclasses import replace

import pytest
import torch

from coterie.tasks.dense.collator import MEAN, STD, DenseCollator
from coterie.tasks.dense.dataset import DenseSample
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.segmentation import Segmentation
from coterie.tasks.dense.sensor import IMAGE, Sensor

TASKS = (Depth(name="depth"), Segmentation(name="kinds", classes=3))


def sample(side: int = 2, **labels: torch.Tensor) -> DenseSample:
    image = torch.full((3, side, side), 255, dtype=torch.uint8)
    return DenseSample(image=image, labels=labels, source="one")


def test_labels_that_are_missing_are_unknown() -> None:
    unknown = torch.full((1, 2, 2), torch.nan)
    batch = DenseCollator(TASKS)(
        [sample(depth=torch.ones(1, 2, 2)), sample(), sample(depth=unknown)]
    )
    assert list(batch["labels"]) == list(batch["known"]) == ["depth"]
    assert batch["known"]["depth"].tolist() == [True, False, False]
    assert bool(batch["labels"]["depth"][1:].isnan().all())
    batch = DenseCollator(TASKS)([sample(), sample(kinds=torch.ones(2, 2, dtype=torch.int64))])
    assert batch["labels"]["kinds"][0].unique().tolist() == [TASKS[1].ignore_value]
    assert batch["known"]["kinds"].tolist() == [False, True]


def test_pixels_are_normalised_as_the_backbone_says(tmp_path) -> None:
    white = [sample().image]
    # (1 - mean) / std; 1 is white.
    wanted = torch.tensor([(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])
    plain = DenseCollator.from_pretrained(str(tmp_path), TASKS).normalize_images(white)
    torch.testing.assert_close(plain[0, :, 0, 0], wanted)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3}))
    assert DenseCollator.from_pretrained(str(tmp_path), TASKS).normalize_images(
        white
    ).unique().tolist() == [2.0]
    file.write_text(json.dumps({"do_normalize": False, "image_mean": [0.5] * 3}))
    assert DenseCollator.from_pretrained(str(tmp_path), TASKS).normalize_images(
        white
    ).unique().tolist() == [1.0]


def test_sensors_are_normalised_and_nan_where_they_are_missing() -> None:
    depth = Sensor(task=Depth(name="depth"), mean=(1.0,), std=(2.0,), optional=True)
    collator = DenseCollator((), sensors=(depth, IMAGE), mean=(0.0,) * 3, std=(1.0,) * 3)
    full = replace(sample(), sensors={"depth": torch.full((1, 2, 2), 5.0)})
    found = collator([full, sample(), full.withhold(["image"])])["pixel_values"]
    assert found.shape == (3, 4, 2, 2)
    assert found[0, :, 0, 0].tolist() == [2, 1, 1, 1]  # (5 - 1) / 2, and white
    assert found[1, 0].isnan().all() and found[1, 1:].unique().tolist() == [1]
    assert found[2, 1:].isnan().all() and found[2, 0].unique().tolist() == [2]
    with pytest.raises(ValueError, match="one has none of the inputs depth, image: give at least"):
        collator([sample().withhold(["image"])])


def test_pictures_of_a_batch_have_one_size() -> None:
    with pytest.raises(ValueError, match=r"pictures of 2 x 2 and 3 x 3 .* by VisionConfig\(size="):
        DenseCollator(TASKS)([sample(3), sample(2)])


def test_it_comes_back_as_it_was_saved(tmp_path) -> None:
    DenseCollator(TASKS, mean=(0.0, 0.5, 1.0), std=(1.0, 2.0, 3.0)).save_pretrained(tmp_path)
    found = DenseCollator.from_pretrained(str(tmp_path), TASKS)
    assert (found.mean, found.std) == ((0.0, 0.5, 1.0), (1.0, 2.0, 3.0))
    file = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert file["do_normalize"] and not file["do_resize"]
