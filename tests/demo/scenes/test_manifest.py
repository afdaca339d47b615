"""The manifest of rendered scenes, and that the renderer writes the classes it names."""

from pathlib import Path

import pytest

from coterie_demo.scenes import environments
from coterie_demo.scenes.classes import KINDS
from coterie_demo.scenes.manifest import CLASSES, ENVIRONMENTS, SHAPES, SKY, RenderManifest

MANIFEST = RenderManifest(seed=3, size=32, train=8, validation=1, test=1)


def test_it_is_written_and_read(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path / "scenes")
    assert RenderManifest.read(tmp_path / "scenes") == MANIFEST
    files = MANIFEST.list_files(tmp_path, "test")
    assert files == [tmp_path / "test" / "000000.npz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist: render scenes with `coterie fetch scenes`"),
        ("{", "is damaged"),
        ('{"seed": 0}', "is damaged"),
        ('{"seed": 0, "size": 8, "train": 1, "validation": 1, "test": "1"}', "must be integers"),
        (
            '{"version": 0, "seed": 0, "size": 8, "train": 1, "validation": 1, "test": 1}',
            "is of version 0, not 1: remove",
        ),
    ],
)
def test_errors_name_the_file(
    content: str | None, message: str, tmp_path: Path, unchecked: None
) -> None:
    if content is not None:
        (tmp_path / "scenes.json").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        RenderManifest.read(tmp_path)
    assert str(tmp_path / "scenes.json") in str(error.value)


def test_the_renderer_has_the_same_classes() -> None:
    assert tuple(kind.name for kind in KINDS) == SHAPES
    assert tuple(each.name for each in environments.ENVIRONMENTS) == ENVIRONMENTS
    assert CLASSES[SKY] == "sky" and len(CLASSES) == 4 + 10
