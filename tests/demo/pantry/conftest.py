"""A small pantry of the vendored part, and a store with a photo of each food in some colour."""

from pathlib import Path

import pytest
from PIL import Image

from coterie_demo.pantry import build
from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.catalog import read_foods
from coterie_demo.pantry.sources import PHOTOS, SPEECH

LIMIT = 12
CLIPS = {"moving", "direction", "how_many_move"}
VENDORED = {"chart", "counting", "facts", "group", "naming", "ocr", *CLIPS}


@pytest.fixture(scope="session")
def pantry(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder, and the lines that building it logged."""
    said: list[str] = []
    folder = tmp_path_factory.mktemp("home") / "pantry"
    assert build(folder, log=said.append, vendored_only=True, limit=LIMIT) == folder
    return folder, said


@pytest.fixture
def larder(tmp_path: Path) -> AssetStore:
    """A store in which speech can be asked for."""
    return AssetStore(folder=tmp_path, fetched={SPEECH: tmp_path})


@pytest.fixture
def photos(tmp_path: Path) -> AssetStore:
    """A store with a photo of every food."""
    folder = tmp_path / "package" / "assets"
    folder.mkdir(parents=True)
    for food in read_foods():
        Image.new("RGB", (8, 6), "olive").save(folder / f"{food.code}.jpeg")
    (tmp_path / "made").mkdir()
    return AssetStore(folder=tmp_path / "made", fetched={PHOTOS: tmp_path})
