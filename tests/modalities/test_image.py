"""Images: how they are decoded and turned, and what is refused."""

import pytest
from PIL import Image

from coterie.modalities.image import Image as ImageModality
from coterie.modalities.image import decode_image
from tests.data.files import png, saved


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


def test_too_large_a_picture(monkeypatch) -> None:
    monkeypatch.setattr("coterie.modalities.image.MAX_PIXELS", 40)
    with pytest.raises(ValueError, match=r"has 8 x 6 pixels: at most 40 are read; shrink it"):
        decode_image(png())


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((40, 20), 800, (40, 20)),  # as many as allowed
        ((40, 20), 200, (20, 10)),  # a quarter: half of each edge
        ((30, 20), 100, (12, 8)),  # 12.2 x 8.2
        ((1, 1000), 100, (1, 100)),
        ((1000, 1), 100, (100, 1)),
    ],
)
def test_shrinking_keeps_the_ratio_and_the_limit(size, limit, expected) -> None:
    shrunk = ImageModality().shrink(Image.new("RGB", size), limit)
    assert shrunk.size == expected
