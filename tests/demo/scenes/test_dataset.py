"""The reader of rendered scenes, on ten small ones."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from coterie_demo.scenes import make_scenes
from coterie_demo.scenes.dataset import LABELS, Scenes
from coterie_demo.scenes.manifest import CLASSES, ENVIRONMENTS, SHAPES

pytest.importorskip("embreex")
pytest.importorskip("trimesh")
SIZE = 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    return make_scenes(folder, 10, workers=1, log=lambda _: None, size=SIZE)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "scenes")


@pytest.mark.parametrize(("split", "count"), [("train", 8), ("validation", 1), ("test", 1)])
def test_samples_have_all_labels(made: Path, split: str, count: int) -> None:
    scenes = Scenes(folder=made)
    rows = scenes.load_split(split)
    assert len(rows) == count and not rows.bad_rows
    sample = rows[-1]
    assert sample.source == f"{split}/{count - 1:06}"
    assert sample.image.shape == (3, SIZE, SIZE) and sample.image.dtype == torch.uint8
    assert list(sample.labels) == [task.name for task in scenes.tasks] == list(LABELS)
    for task in scenes.tasks:
        label = sample.labels[task.name][None]
        place = () if task.is_image_level else (SIZE, SIZE)
        loss = task.compute_loss(torch.zeros(1, task.channels, *place), label)
        assert torch.isfinite(loss).all()


def test_labels_are_what_is_stored(made: Path) -> None:
    sample = Scenes(folder=made).load_split("train")[0]
    with np.load(made / "train" / "000000.npz") as stored:
        sky = torch.from_numpy(stored["classes"] == 0)
        # log(1 + 512 metres) / log(2^16), as Taskonomy's depths.
        expected = np.log1p(512 * stored["depth"].astype(float)) / np.log(2**16)
        np.testing.assert_allclose(sample.labels["depth"][0], expected, rtol=1e-5)
        bent = np.clip(stored["curvature"].astype(np.float32) / 10, -3, 3)
        np.testing.assert_allclose(sample.labels["curvature"], bent, rtol=1e-6)
        assert sample.labels["object"].argmax() == int(stored["object"])
        assert sample.labels["scene"].argmax() == int(stored["setting"])
    assert torch.equal(sample.labels["reshading"][0].isnan(), sky)
    assert torch.equal(sample.labels["depth"][0].isnan(), sky)
    assert set(sample.labels["edges"].unique().tolist()) == {0.0, 1.0}
    assert sample.labels["segmentation"].max() < len(CLASSES)
    assert sample.labels["object"].shape == (len(SHAPES),)
    assert sample.labels["scene"].shape == (len(ENVIRONMENTS),)


def test_some_tasks_alone(made: Path) -> None:
    scenes = Scenes(folder=made, names=("normals", "depth"))
    assert [task.name for task in scenes.tasks] == ["normals", "depth"]
    assert list(scenes.load_split("test")[0].labels) == ["normals", "depth"]
    with pytest.raises(ValueError, match=r"Scenes\(names=\('colour',\)\): give some of segm"):
        Scenes(names=("colour",))


def test_depth_as_an_input(made: Path) -> None:
    scenes = Scenes(folder=made, names=("segmentation",), inputs=("image", "depth"))
    sample, label = (
        each.load_split("train")[0] for each in (scenes, Scenes(folder=made, names=("depth",)))
    )
    assert list(sample.labels) == ["segmentation"]
    known = ~label.labels["depth"].isnan()
    assert torch.equal(sample.sensors["depth"][known], label.labels["depth"][known])
    with pytest.raises(
        ValueError, match=r"Scenes\(inputs=\('image', 'depth'\)\): 'depth' is a task"
    ):
        Scenes(inputs=("image", "depth"))


def test_rows_can_be_sent_to_other_processes(made: Path) -> None:
    rows = Scenes(folder=made).load_split("test")
    assert torch.equal(pickle.loads(pickle.dumps(rows))[0].image, rows[0].image)


def test_a_damaged_file_is_told_in_one_line(copied: Path) -> None:
    file = copied / "train" / "000002.npz"
    file.write_bytes(file.read_bytes()[:-300])
    scenes = Scenes(folder=copied)
    with pytest.raises(
        ValueError, match=r"(?s)1 bad sample .*\n  train/000002.npz: image: is dama"
    ):
        scenes.load_split("train")
    rows = scenes.load_split("train", skip_bad_rows=True)
    assert len(rows) == 7 and [bad.source for bad in rows.bad_rows] == ["train/000002.npz"]


DAMAGE = {
    "depth": (np.ones((SIZE + 1, SIZE)), "depth is [1, 33, 32], not [1, 32, 32]"),
    "normals": (np.ones((4, SIZE, SIZE)), "normals is [4, 32, 32], not [3, 32, 32]"),
    "curvature": (np.full((2, SIZE, SIZE), np.nan), "curvature is NaN or infinite outside of the"),
    "classes": (np.full((SIZE, SIZE), len(CLASSES)), f"holds {len(CLASSES)}: classes 0 to"),
    "setting": (np.array(99), "index 99 is out of bounds"),
}


def test_labels_that_are_wrong_are_told(copied: Path, unchecked: None) -> None:
    for index, (key, (array, _)) in enumerate(DAMAGE.items()):
        file = copied / "train" / f"{index:06}.npz"
        with np.load(file) as stored:
            np.savez(file, **{**stored, key: array})
    rows = Scenes(folder=copied).load_split("train", skip_bad_rows=True)
    assert len(rows) == 3
    for bad, (_, said) in zip(rows.bad_rows, DAMAGE.values(), strict=True):
        assert said in bad.reason, bad


def test_bytes_that_changed_are_seen(copied: Path) -> None:
    file = copied / "test" / "000000.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255  # the checksum of the archive tells
    file.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="no sample is good"):
        Scenes(folder=copied).load_split("test")


def test_what_is_missing_is_told(copied: Path, tmp_path: Path) -> None:
    (copied / "train" / "000005.npz").unlink()
    with pytest.raises(ValueError, match=r"train/000005\.npz: image: cannot be read"):
        Scenes(folder=copied).load_split("train")
    with pytest.raises(ValueError, match=r"scenes\.json does not exist: render scenes with"):
        Scenes(folder=tmp_path / "none").load_split("train")
    with pytest.raises(ValueError, match="no split 'val': ask for train, validation, test"):
        Scenes(folder=copied).load_split("val")


def test_home_is_where_they_are_looked_for(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_HOME", str(copied.parent))
    assert len(Scenes().load_split("test")) == 1
