import math

import numpy as np
import pytest
import torch

from coterie.datasets.taskonomy import BROKEN_BUILDINGS, Taskonomy, list_buildings
from tests.datasets.written import SIZE, png, put, taskonomy


def test_pictures_of_the_buildings_of_a_split_are_read(tmp_path) -> None:
    rows = Taskonomy(folder=taskonomy(tmp_path), size=2).load_split("train")
    # woodbine is left out; airport, to validate, is trained on
    assert [row.source for row in rows] == [
        f"{scene}/point_{view}_view_0" for scene in ("adairsville", "airport") for view in range(3)
    ]
    sample = rows[2]
    assert sample.image.shape == (3, 2, 2) and sample.image.unique().tolist() == [20]
    assert len(sample.labels) == 13
    assert sample.labels["class_object"].argmax() == 2
    assert sample.labels["class_scene"].shape == (365,)
    # 2 * 53 / 255 - 1
    assert sample.labels["segment_unsup25d"].mean().item() == pytest.approx(106 / 255 - 1)
    assert sample.labels["depth_zbuffer"].mean().item() == pytest.approx(
        math.log(1003) / math.log(65536)
    )
    assert sample.labels["keypoints3d"].unique().tolist() == [0]  # half of 2^16
    assert sample.labels["principal_curvature"].shape == (2, 2, 2)
    # (20, 20, 20) is (-a, -a, -a) with y downward: (-1, 1, -1) over the root of 3
    expected = torch.tensor([-1.0, 1.0, -1.0]) / math.sqrt(3)
    assert torch.allclose(sample.labels["normal"][:, 0, 0], expected)


def test_the_first_tenth_of_the_test_pictures_is_kept(tmp_path) -> None:
    folder = taskonomy(tmp_path, views=20)
    names = ("segment_unsup2d",)
    few = Taskonomy(folder=folder, names=names, size=2).load_split("test")
    # sorted by name, so that point_1 is followed by point_10
    assert [row.source for row in few] == ["ballou/point_0_view_0", "ballou/point_10_view_0"]
    assert (
        len(Taskonomy(folder=folder, names=names, size=2, test_share=1.0).load_split("test")) == 20
    )


def test_holes_of_the_scan_are_unknown_in_labels_of_geometry(tmp_path) -> None:
    folder = taskonomy(tmp_path, views=1)
    mask = np.full(SIZE, 255, np.uint8)
    mask[:, :2] = 0
    for scene in ("adairsville", "airport"):
        name = f"mask_valid/taskonomy/{scene}/point_0_view_0_domain_depth_zbuffer.png"
        put(folder / name, png(mask))
    labels = Taskonomy(folder=folder, size=6).load_split("train")[0].labels
    unknown = {name: label.isnan().any().item() for name, label in labels.items()}
    assert unknown == {
        "class_object": False,
        "class_scene": False,
        "depth_euclidean": True,
        "depth_zbuffer": True,
        "edge_occlusion": True,
        "edge_texture": False,
        "keypoints2d": False,
        "keypoints3d": True,
        "normal": True,
        "principal_curvature": True,
        "reshading": True,
        "segment_unsup2d": False,
        "segment_unsup25d": False,
    }
    assert labels["depth_zbuffer"][0, 0].isnan().tolist() == [True, True] + 4 * [False]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"names": ("depth",)}, r"names=\('depth',\)\): give some of class_object, "),
        ({"size": 0}, r"size=0\): give pixels"),
        ({"test_share": 0.0}, r"test_share=0.0\): give a share"),
    ],
)
def test_wrong_choices_are_told(tmp_path, wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        Taskonomy(folder=tmp_path, **wrong)


def test_a_building_that_is_not_there_is_one_bad_sample(tmp_path) -> None:
    data = Taskonomy(folder=taskonomy(tmp_path), broken_buildings=(), names=("normal",), size=2)
    for part in ("rgb", "normal"):
        folder = tmp_path / part / "taskonomy" / "woodbine"
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    with pytest.raises(ValueError, match=r"1 bad sample of 7.*\n  rgb/taskonomy/woodbine: image"):
        data.load_split("train")
    rows = data.load_split("train", skip_bad_rows=True)
    assert len(rows) == 6 and [row.source for row in rows.bad_rows] == ["rgb/taskonomy/woodbine"]


def test_a_task_without_its_folder_is_told_before_anything_is_read(tmp_path) -> None:
    folder = taskonomy(tmp_path)
    (folder / "normal").rename(folder / "normals")
    with pytest.raises(ValueError, match=r"normal.taskonomy is no folder: fetch normal with"):
        Taskonomy(folder=folder).load_split("train", skip_bad_rows=True)


TEXT = "id,train,val,test\nallensville,1,0,0\nbeechwood,0,1,0\ncauthron,1,0,0\ncorozal,0,0,1\n"


@pytest.fixture
def file(tmp_path):
    (tmp_path / "split.csv").write_text(TEXT)
    return tmp_path / "split.csv"


def test_the_released_code_trains_on_validation_and_leaves_28_buildings_out(file) -> None:
    assert list_buildings(file, "train", broken=BROKEN_BUILDINGS, train_on_val=True) == (
        "allensville",
        "beechwood",
    )
    assert list_buildings(file, "test", broken=BROKEN_BUILDINGS, train_on_val=True) == ("corozal",)
    assert len(set(BROKEN_BUILDINGS)) == 28


def test_each_split_may_be_kept_apart(file) -> None:
    assert list_buildings(file, "train", broken=(), train_on_val=False) == (
        "allensville",
        "cauthron",
    )
    assert list_buildings(file, "validation", broken=(), train_on_val=False) == ("beechwood",)


def test_there_is_no_validation_if_it_is_trained_on(file) -> None:
    with pytest.raises(ValueError, match=r"no split 'validation'.*give train_on_val=False"):
        list_buildings(file, "validation", broken=(), train_on_val=True)


def test_a_split_whose_buildings_are_all_left_out_says_so(file) -> None:
    with pytest.raises(ValueError, match=r"no building for test; 1 are left out by `broken`"):
        list_buildings(file, "test", broken=("corozal",), train_on_val=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column test, train, val, but nothing"),
        ("id,train,val\na,1,0\n", "has no column test, but id, train, val"),
        ("id,train,val,test\na,1,0\n", r"has a row \['a', '1', '0'\]"),
        ("id,train,val,test\n", "names no building for train: give"),
    ],
)
def test_a_wrong_csv_is_refused(file, text, message) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        list_buildings(file, "train", broken=(), train_on_val=True)
    assert str(file) in str(error.value)


def test_a_missing_csv_says_where_it_comes_from(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"none.csv cannot be read.*splits_taskonomy.zip"):
        list_buildings(tmp_path / "none.csv", "train", broken=(), train_on_val=True)
