"""Videos: the frames that are taken of a file, and lists of pictures."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coterie.modalities.video import NUM_FRAMES, Video


def encode(av: Any, count: int, *, form: str = "mp4", codec: str = "mpeg4") -> bytes:
    """A video of 10 frames a second, each of one grey, 10 more than the one before."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for number in range(count):
            pixels = np.full((16, 32, 3), 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_frames_at_equal_distances(form: str) -> None:
    av = pytest.importorskip("av")
    frames = Video().decode(encode(av, 24, form=form))
    assert frames.shape == (NUM_FRAMES, 16, 32, 3) and frames.dtype == np.uint8
    # 24 frames in 8 parts of 3: the middles of the parts are frames 1, 4, 7 and so on.
    assert frames.mean(axis=(1, 2, 3)) == pytest.approx(np.arange(10, 240, 30), abs=12)


def test_a_short_video_has_fewer() -> None:
    frames = Video().decode(encode(pytest.importorskip("av"), 3))
    assert 1 <= len(frames) <= 3


def test_a_damaged_video() -> None:
    content = encode(pytest.importorskip("av"), 24)
    for damaged in (content[:100], content[: len(content) // 2], b"no video"):
        with pytest.raises(ValueError, match=r"is a damaged video file|is cut off|has no video"):
            Video().decode(damaged)


def test_pyav_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"needs av, .*pip install 'coterie\[media\]'"):
        Video().decode(b"")


def test_a_list_of_pictures() -> None:
    frames = [Image.new("RGB", (4, 2), color) for color in ("red", "blue")]
    joined = Video().join_frames(frames)
    assert joined.shape == (2, 2, 4, 3) and joined[1, 0, 0].tolist() == [0, 0, 255]
    assert Video().shrink(joined, 2).shape == (2, 1, 2, 3)
    with pytest.raises(ValueError, match="frame 2 has 5 x 2 pixels, the first 4 x 2"):
        Video().join_frames([frames[0], Image.new("RGB", (5, 2))])


def test_too_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_VIDEO_FRAMES", "1")
    with pytest.raises(ValueError, match="has 2 frames of 4 x 2 pixels: at most 1 frames"):
        Video().join_frames([Image.new("RGB", (4, 2))] * 2)
