import math

import pytest
import torch

from coterie.datasets.nyuv2 import Nyuv2
from tests.datasets.written import SIZE, nyuv2


def test_a_picture_is_read_as_it_was_written(tmp_path) -> None:
    rows = Nyuv2(folder=nyuv2(tmp_path)).load_split("train")
    sample = rows[1]
    assert len(rows) == 3 and rows.bad_rows == () and sample.source == "train/1"
    assert sample.image.shape == (3, *SIZE) and sample.image.unique().tolist() == [51]  # 0.2 * 255
    labels = sample.labels
    assert labels["segmentation"][:, 0].unique().tolist() == [255]  # -1 in the file
    assert labels["segmentation"][:, 1:].unique().tolist() == [1]
    assert labels["depth"][0, :, 0].isnan().all()  # 0 in the file
    assert labels["depth"][0, :, 1:].unique().tolist() == [3.5]
    assert labels["normal"][:, :, 0].isnan().all()
    # (0, -1, 0) with y downward is up
    assert labels["normal"][:, 2, 3].tolist() == [0, 1, 0]


def test_the_tenth_picture_comes_after_the_ninth(tmp_path) -> None:
    rows = Nyuv2(folder=nyuv2(tmp_path, 11), names=("depth",)).load_split("train")
    assert [row.source for row in rows][-2:] == ["train/9", "train/10"]
    assert rows[-1].labels.keys() == {"depth"}


def test_validation_is_val_and_there_is_no_more(tmp_path) -> None:
    data = Nyuv2(folder=nyuv2(tmp_path))
    assert [row.source for row in data.load_split("validation")] == ["val/0"]
    with pytest.raises(ValueError, match="no split 'test': ask for train or validation"):
        data.load_split("test")


def test_losses_are_those_of_the_published_code(tmp_path) -> None:
    tasks = {task.name: task for task in Nyuv2(folder=tmp_path).tasks}
    assert [task.channels for task in tasks.values()] == [13, 1, 3]
    assert math.isnan(tasks["depth"].ignore_value) and tasks["segmentation"].ignore_value == 255
    # 1 - cosine of 90 degrees is 1
    ones = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert tasks["normal"].compute_loss(ones.roll(1, 1), ones).tolist() == [1]


def test_names_are_of_its_tasks(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"names=\('edge',\).*segmentation, depth, normal"):
        Nyuv2(folder=tmp_path, names=("edge",))


def test_depth_as_an_input(tmp_path) -> None:
    data = Nyuv2(folder=nyuv2(tmp_path), names=("segmentation",), inputs=("image", "depth"))
    sample = data.load_split("train")[1]
    assert [sensor.name for sensor in data.sensors] == ["image", "depth"]
    assert list(sample.labels) == ["segmentation"] and list(sample.sensors) == ["depth"]
    # 3.5 m of 10, and unknown where the file has 0
    found = data.sensors[1].normalize(sample.sensors["depth"])
    assert found[0, 0].nan_to_num(nan=-1).tolist() == pytest.approx([-1, *[0.35] * 5])


def test_a_sample_may_lack_the_file_of_an_optional_input(tmp_path) -> None:
    (nyuv2(tmp_path) / "train" / "depth" / "1.npy").unlink()
    fields = {"folder": tmp_path, "names": ("normal",), "inputs": ("image", "depth")}
    with pytest.raises(ValueError, match=r"train/depth/1.npy: depth: cannot be read"):
        Nyuv2(**fields).load_split("train")
    rows = Nyuv2(**fields, optional=("depth",)).load_split("train")
    assert [list(row.sensors) for row in rows] == [["depth"], [], ["depth"]]
    assert not rows.bad_rows
