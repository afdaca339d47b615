"""Images: how they are decoded and turned, and what is refused."""

import numpy as np
import pytest
from PIL import Image, features

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


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_refused(form: str) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    content = saved(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=f"is an animated {form} picture: save the frame"):
        decode_image(content)
    assert decode_image(saved(frames[0], form)).getpixel((0, 0))[0] > 250


def test_the_first_picture_of_a_phone_s_mpo() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    content = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode_image(content).getpixel((4, 4))[0] > 250


def test_pages_of_a_tiff_are_refused_and_its_thumbnails_are_not() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    content = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="is a TIFF file of several pages: save the page"):
        decode_image(content)
    frames[1].encoderinfo = {"tiffinfo": {254: 1}}  # a smaller copy, by TIFF 6.0 section 8
    content = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert decode_image(content).getpixel((0, 0)) == (255, 0, 0)
    assert decode_image(saved(frames[0], "TIFF")).getpixel((0, 0)) == (255, 0, 0)


# A ramp of 4: 0, 1/3, 2/3, 1 of the range, which is 0, 85, 170, 255 in 8 bits.
RAMP = np.linspace(0, 1, 4, dtype=np.float32)[None]


@pytest.mark.parametrize(
    "values",
    [
        (RAMP * 65535).astype(np.uint16),  # 16 bits: of 65535
        RAMP,  # floats within 0..1: of 1
        RAMP * 65535,  # others are stretched
        RAMP * 10 - 3,
        (RAMP * 255).astype(np.int32),  # 32 bits within 0..255: as they are
        (RAMP * 30_000 - 10_000).astype(np.int32),
    ],
    ids=["uint16", "float", "float of 16 bits", "metres", "int32", "negative int32"],
)
def test_more_than_8_bits_are_scaled(values: np.ndarray) -> None:
    read = np.asarray(decode_image(saved(Image.fromarray(values), "TIFF")))
    assert read[0, :, 0].tolist() == [0, 85, 170, 255]


def test_floats_below_1_keep_their_brightness() -> None:
    content = saved(Image.fromarray(RAMP * 0.2 + 0.4), "TIFF")  # 0.4 to 0.6 of 255
    assert np.asarray(decode_image(content))[0, :, 0].tolist() == [102, 119, 136, 153]


def test_16_bits_the_big_end_first() -> None:
    big = Image.frombytes("I;16B", (4, 1), (RAMP * 65535).astype(">u2").tobytes())
    assert np.asarray(decode_image(saved(big, "TIFF")))[0, :, 0].tolist() == [0, 85, 170, 255]


def test_32_bits_without_a_sign() -> None:
    values = np.array([[0, 1, 2, 3]], np.uint32) * ((2**32 - 1) // 3)
    signed = saved(Image.fromarray(values.view(np.int32)), "TIFF")
    # The entry of tag 339, SampleFormat: one 16-bit number, from 2 (signed) to 1.
    entry = b"\x53\x01\x03\x00\x01\x00\x00\x00"
    unsigned = signed.replace(entry + b"\x02", entry + b"\x01")
    assert np.asarray(decode_image(unsigned))[0, :, 0].tolist() == [0, 85, 170, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers(value: float) -> None:
    content = saved(Image.fromarray(np.array([[0, value]], np.float32)), "TIFF")
    with pytest.raises(ValueError, match="pixels that are no finite numbers"):
        decode_image(content)


def test_colours_for_print() -> None:
    content = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    red, green, blue = decode_image(content).getpixel((4, 4))
    assert red > 240 and green < 20 and blue < 20


@pytest.mark.skipif(not features.check("avif"), reason="Pillow has no AVIF here")
def test_avif() -> None:
    read = decode_image(saved(Image.new("RGB", (16, 16), "red"), "AVIF"))
    assert read.getpixel((8, 8))[0] > 240


def test_too_large_a_picture(monkeypatch) -> None:
    monkeypatch.setenv("COTERIE_MAX_IMAGE_PIXELS", "40")
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
