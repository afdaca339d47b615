"""Media in rows: paths, addresses, base64 and bytes; and what is refused."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from coterie.data.columns import Columns
from coterie.data.dataset import RowError
from coterie.data.row_formats.media_fields import parse_media
from coterie.data.row_formats.placeholders import MediaQueue
from coterie.data.row_formats.turns import parse_part
from coterie.data.sample import MediaFile
from tests.data.files import png, tone, wav

CONTENT = png(size=(20, 20))
TEXT = base64.b64encode(CONTENT).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a b.png").write_bytes(CONTENT)
    return tmp_path


@pytest.mark.parametrize(
    "value",
    [
        CONTENT,
        TEXT,
        TEXT.rstrip("="),
        f"data:image/png;base64,{TEXT}",
        {"url": f"data:image/png;base64,{TEXT}"},
        {"bytes": CONTENT, "path": "no.png"},
        {"data": TEXT, "format": "png"},
    ],
    ids=["bytes", "base64", "unpadded", "data URL", "object of a URL", "of bytes", "of data"],
)
def test_bytes(folder: Path, value: Any) -> None:
    assert parse_media("image", value, folder, "image").content == CONTENT


@pytest.mark.parametrize(
    "value", ["a b.png", "{folder}/a b.png", "file://{folder}/a%20b.png", "file://a%20b.png"]
)
def test_paths(folder: Path, value: str) -> None:
    found = parse_media("image", value.format(folder=folder), folder, "image")
    assert found.path is not None and found.path.resolve() == (folder / "a b.png").resolve()


def test_a_file_with_a_name_like_base64(folder: Path) -> None:
    name = "0123456789abcdef" * 4  # a digest, as content-addressed stores name files
    (folder / name).write_bytes(CONTENT)
    assert parse_media("image", name, folder, "image").path == folder / name


@pytest.mark.parametrize(
    "value, message",
    [
        ("https://x.org/a.png", "nothing is downloaded"),
        ("s3://x/a.png", "nothing is downloaded"),
        ("data:image/png;base64,@@@@", "is damaged base64"),
        ("data:image/png", "is a data URL without a comma"),
        ("file://", "names no file"),
        ({"array": [0.0], "sampling_rate": 16_000}, "give one of bytes, path, url"),
        ("~nobody/no.png", "cannot be read in .*: No such file"),
        ("no.png", "cannot be read in .*: No such file"),
        ("x" * 300 + ".png", "cannot be read in .*: File name too long"),
        (b"", "has 0 bytes"),
        (3, "is 3: give the path"),
    ],
)
def test_what_is_refused(folder: Path, value: Any, message: str) -> None:
    with pytest.raises(RowError, match=f"image: .*{message}"):
        parse_media("image", value, folder, "image")


def test_pipes_and_devices(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(RowError, match="it is no regular file, but a device, a pipe"):
            parse_media("image", name, folder, "image")
        with pytest.raises(ValueError, match="cannot be read: it is no regular file"):
            MediaFile(kind="image", path=folder / name).read_bytes()


def test_a_file_of_gigabytes(folder: Path) -> None:
    with (folder / "x.png").open("wb") as file:
        file.truncate(6 * 2**30)  # sparse: it takes no room
    with pytest.raises(RowError, match="has 6442450944 bytes: at most 268435456 are read"):
        parse_media("image", "x.png", folder, "image")
    with pytest.raises(ValueError, match="it has 6442450944 bytes, and at most 268435456"):
        MediaFile(kind="image", path=folder / "x.png").read_bytes()


def test_parts_of_openai(folder: Path) -> None:
    sound, queue = base64.b64encode(wav(tone())).decode(), MediaQueue({}, Columns(), folder)
    for part, kind in (
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{TEXT}"}}, "image"),
        ({"type": "image_url", "image_url": f"file://{folder}/a b.png"}, "image"),
        ({"type": "input_image", "image_url": f"data:image/png;base64,{TEXT}"}, "image"),
        ({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}, "audio"),
    ):
        (found,) = parse_part(part, queue, "content[0]")
        assert isinstance(found, MediaFile) and found.kind == kind and found.load() is not None


def test_frames_of_a_video(folder: Path) -> None:
    found = parse_media("video", ["a b.png", "a b.png"], folder, "video")
    assert found.load().shape == (2, 20, 20, 3) and len(found.compute_digest()) == 64
    assert "video of 2 frames" in found.name


def test_parts_as_anthropic_has_them(folder: Path) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": TEXT}
    queue = MediaQueue({}, Columns(), folder)
    (part,) = parse_part({"type": "image", "source": source}, queue, "f")
    assert isinstance(part, MediaFile) and part.content == CONTENT


def test_a_path_of_windows(folder: Path) -> None:
    with pytest.raises(RowError, match=r"No such file.*; write / in place of \\ between folders"):
        parse_media("image", "a\\b.png", folder, "image")


def test_another_unicode_form(folder: Path) -> None:
    (folder / "cafe\u0301.png").write_bytes(CONTENT)  # as macOS writes it
    assert parse_media("image", "caf\u00e9.png", folder, "image").load().size == (20, 20)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("A B.PNG", r"No such file or directory; there is 'a b\.png'"),
        ("a b.png ", r"; there is 'a b\.png'"),
        ("a b.jpg", r"; there is 'a b\.png'"),
        ("c.png", r"No such file or directory$"),
        (
            "x" * 296 + ".png",
            r"File name too long; the name x{40}\.\.\. in it has 300 bytes, and disks take 255",
        ),
    ],
)
def test_names_that_are_nearly_right(folder: Path, value: str, message: str) -> None:
    with pytest.raises(RowError, match=message) as error:
        parse_media("image", value, folder, "image")
    assert len(str(error.value)) < 1000
