"""Making is the same each time, goes on where it was, and refuses other scenes' folders."""

import errno
from pathlib import Path

import numpy as np
import pytest

from coterie.io import WriteError
from coterie_demo.scenes import make_scenes
from coterie_demo.scenes.manifest import RenderManifest

pytest.importorskip("embreex")
pytest.importorskip("trimesh")
SIZE = 16


def make(folder: Path, count: int = 10, **choices: int) -> Path:
    return make_scenes(folder, count, workers=1, log=lambda _: None, size=SIZE, **choices)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.npz")
    }


def test_two_makings_are_equal_and_seeds_differ(tmp_path: Path) -> None:
    first, second = contents(make(tmp_path / "a")), contents(make(tmp_path / "b"))
    assert first == second
    # A tenth for validation and for tests each: 8, 1 and 1.
    assert sorted(first) == [
        "test/000000.npz",
        *(f"train/{index:06}.npz" for index in range(8)),
        "validation/000000.npz",
    ]
    assert len(set(first.values())) == 10
    assert not set(first.values()) & set(contents(make(tmp_path / "c", seed=1)).values())


def test_what_is_stored(tmp_path: Path) -> None:
    folder = make(tmp_path)
    with np.load(folder / "test" / "000000.npz", allow_pickle=False) as arrays:
        assert arrays["image"].shape == (SIZE, SIZE, 3) and arrays["image"].dtype == np.uint8
        assert arrays["normals"].shape == (3, SIZE, SIZE)
        assert arrays["depth"].dtype == np.float16
    assert RenderManifest.read(folder) == RenderManifest(
        seed=0, size=SIZE, train=8, validation=1, test=1
    )


def test_a_killed_making_goes_on(tmp_path: Path) -> None:
    whole = contents(make(tmp_path))
    lost, kept = tmp_path / "train" / "000003.npz", tmp_path / "train" / "000004.npz"
    lost.unlink()
    kept.write_bytes(b"not looked at again")
    told = []
    make_scenes(tmp_path, 10, workers=1, log=told.append, size=SIZE)
    assert lost.read_bytes() == whole["train/000003.npz"]
    assert kept.read_bytes() == b"not looked at again"
    assert not list(tmp_path.rglob("*.partial"))
    assert told == [f"all 10 scenes are in {tmp_path}"]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def savez(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", savez)
    said = r"000000\.npz cannot be written: No space left on device\. Make room and run it again"
    with pytest.raises(WriteError, match=said):
        make(tmp_path)
    assert not [*tmp_path.glob("*/*")]


def test_more_pictures_are_added(tmp_path: Path) -> None:
    few = contents(make(tmp_path))
    many = contents(make(tmp_path, 20))
    assert len(many) == 20 and few.items() <= many.items()


def test_other_scenes_are_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match=r"seed 0 and size 16, not 7 and 16: give another"):
        make(tmp_path, seed=7)


def test_wrong_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count is 9: render at least 10"):
        make(tmp_path, 9)
    with pytest.raises(ValueError, match="workers and seed are 16, 0, 0"):
        make_scenes(tmp_path, 10, workers=0, size=16)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("{", "damaged"), ('{"seed": 0}', "damaged"), ("[1]", "damaged")],
)
def test_a_damaged_card_is_told(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "scenes.json").write_text(text)
    with pytest.raises(ValueError, match=rf"scenes\.json is {wrong}"):
        make(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    RenderManifest(version=0, seed=0, size=SIZE, train=8, validation=1, test=1).write(tmp_path)
    with pytest.raises(ValueError, match="of version 0, not 1: remove"):
        make(tmp_path)


@pytest.mark.slow  # each process imports all of coterie
def test_two_processes_make_the_same(tmp_path: Path) -> None:
    make_scenes(tmp_path / "two", 10, workers=2, log=lambda _: None, size=SIZE)
    assert contents(tmp_path / "two") == contents(make(tmp_path / "one"))
