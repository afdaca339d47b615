"""Pictures outside of the rows' folder are named on the page, and not shown."""

from pathlib import Path

import pytest
from PIL import Image

from coterie.data.sample import MediaFile
from coterie.report.embedded_media import embed_media


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The folder of rows with a picture, beside one that is private."""
    for name in ("rows/here.png", "private/there.png"):
        file = tmp_path / name
        file.parent.mkdir()
        Image.new("RGB", (8, 8), (200, 0, 0)).save(file)
    (tmp_path / "rows" / "link.png").symlink_to(tmp_path / "private" / "there.png")
    return tmp_path / "rows"


def test_a_picture_below_the_rows_is_shown(rows: Path) -> None:
    found = embed_media(MediaFile(kind="image", path=rows / "here.png"), [rows])
    assert found.uri.startswith("data:image/jpeg;base64,") and not found.note


@pytest.mark.parametrize("name", ["../private/there.png", "link.png"])
def test_a_picture_elsewhere_is_named(rows: Path, name: str) -> None:
    media = MediaFile(kind="image", path=rows / name)
    found = embed_media(media, [rows])
    there = rows.parent / "private" / "there.png"
    assert not found.uri and found.note.startswith(f"image {there} lies outside of the rows")
    assert embed_media(media, [rows, rows.parent / "private"]).uri
    assert not embed_media(media, []).uri


def test_encoded_bytes_are_shown(rows: Path) -> None:
    media = MediaFile(kind="image", content=(rows / "here.png").read_bytes())
    assert embed_media(media, []).uri
