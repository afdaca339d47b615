"""A store with the two sound fonts, of a sine each."""

import pytest

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.tasks.notes import FILES, INSTRUMENTS
from tests.demo.pantry.tiny_soundfont import write_soundfont


@pytest.fixture(scope="session")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> AssetStore:
    folder = tmp_path_factory.mktemp("fonts")
    programs = [program for program, _, _ in INSTRUMENTS.values()]
    for place, file in enumerate(FILES.values()):
        write_soundfont(folder / str(place) / file, programs)
    (folder / "made").mkdir()
    fetched = {source: folder / str(place) for place, source in enumerate(FILES)}
    return AssetStore(folder=folder / "made", fetched=fetched)
