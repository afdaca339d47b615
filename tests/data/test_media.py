"""Pictures and sounds: what is read, how it is turned and resampled, what is refused."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coterie.data.audio import SAMPLE_RATE_HZ, decode_audio
from coterie.data.image import decode_image
from coterie.data.media import MediaFile
from tests.data.files import png, saved, tone, wav


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


def test_pictures_are_turned_upright() -> None:
    image = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert decode_image(saved(image, "JPEG", exif=exif)).size == (2, 4)


@pytest.mark.parametrize(
    "mode, color, expected",
    [
        ("L", 7, (7, 7, 7)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),  # nothing there: the white below
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),  # a fifth of black: 255 * 4 / 5
        ("LA", (9, 255), (9, 9, 9)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 256 * 40, (40, 40, 40)),  # 16 bits to 8
    ],
)
def test_modes_become_rgb(mode, color, expected) -> None:
    assert decode_image(png(color, mode=mode)).getpixel((0, 0)) == expected


def test_a_transparent_palette_lies_on_white() -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([9, 9, 9, 50, 60, 70])
    image.putpixel((1, 1), 1)
    read = decode_image(saved(image, "PNG", transparency=0))
    assert read.getpixel((0, 0)) == (255, 255, 255) and read.getpixel((1, 1)) == (50, 60, 70)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    read = decode_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert read.getpixel((0, 0)) == (255, 0, 0)


def test_sound_is_mono_at_16_khz() -> None:
    # Left 0.5, right -0.25 everywhere: the mean is 0.125.
    read = decode_audio(wav(np.tile([0.5, -0.25], (1600, 1)), subtype="FLOAT"))
    assert read.dtype == np.float32 and read.shape == (1600,) and read == pytest.approx(0.125)


def test_sound_is_resampled() -> None:
    read = decode_audio(wav(tone(0.5, rate=44_100, hertz=1000), rate=44_100))
    assert len(read) == pytest.approx(SAMPLE_RATE_HZ / 2, abs=1)
    spectrum = abs(np.fft.rfft(read))
    assert spectrum.argmax() == 500  # 1000 Hz, in steps of 2 Hz


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
def test_forms_of_sound(form) -> None:
    assert len(decode_audio(wav(tone(0.5), form=form))) == pytest.approx(8000, abs=1200)


def test_too_long_a_sound(monkeypatch) -> None:
    monkeypatch.setattr("coterie.data.audio.MAX_DURATION_S", 1.0)
    with pytest.raises(ValueError, match=r"lasts 2 s: at most 1 s are read; cut it"):
        decode_audio(wav(np.zeros(32_000)))


def test_too_large_a_picture(monkeypatch) -> None:
    monkeypatch.setattr("coterie.data.image.MAX_PIXELS", 40)
    with pytest.raises(ValueError, match=r"has 8 x 6 pixels: at most 40 are read; shrink it"):
        decode_image(png())


def test_errors_name_the_file_or_the_bytes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.png cannot be read: No such file"):
        MediaFile(kind="image", path=tmp_path / "x.png").load()
    with pytest.raises(ValueError, match=r"audio of 3 bytes is no sound .*begins with b'abc'"):
        MediaFile(kind="audio", content=b"abc").load()


def test_kind_and_place_are_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"Media\(kind='video'\): give image or audio"):
        MediaFile(kind="video", content=b"")
    with pytest.raises(ValueError, match=r"give either `at`, a file, or `content`, its bytes"):
        MediaFile(kind="image")
    with pytest.raises(ValueError, match=r"give either"):
        MediaFile(kind="image", path=Path("a"), content=b"a")


def test_a_missing_library_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"needs soundfile, .*pip install 'coterie\[data\]'"):
        decode_audio(b"")
