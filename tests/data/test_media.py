"""Media files: what is read of them, and what errors say."""

import hashlib
from pathlib import Path

import pytest

from coterie.data.media import MediaFile
from tests.data.files import png


def test_a_picture_in_a_file_and_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((10, 20, 30)))
    for media in (
        MediaFile(kind="image", path=tmp_path / "a.png"),
        MediaFile(kind="image", content=png((10, 20, 30))),
    ):
        image = media.load()
        assert image.mode == "RGB" and image.size == (8, 6)
        assert image.getpixel((3, 3)) == (10, 20, 30)
        assert media.compute_digest() == hashlib.sha256(png((10, 20, 30))).hexdigest()
    assert "x89" not in repr(media)


def test_errors_name_the_file_or_the_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.png cannot be read: No such file"):
        MediaFile(kind="image", path=tmp_path / "x.png").load()
    with pytest.raises(ValueError, match=r"audio of 3 bytes is no sound .*begins with b'abc'"):
        MediaFile(kind="audio", content=b"abc").load()


def test_kind_and_place_are_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"MediaFile\(kind='video'\): give image or audio"):
        MediaFile(kind="video", content=b"")
    with pytest.raises(ValueError, match=r"give either `path`, a file, or `content`, its bytes"):
        MediaFile(kind="image")
    with pytest.raises(ValueError, match=r"give either"):
        MediaFile(kind="image", path=Path("a"), content=b"a")
