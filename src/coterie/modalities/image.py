"""Images, decoded to upright RGB on white; damaged or too large files are refused."""

import io
from functools import cache
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Shaped

from coterie.modalities.base import MediaModality
from coterie.modalities.limits import read_media_limits
from coterie.optional_imports import import_optional

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM")
"""What is read, of the forty formats that Pillow tries: each decoder is one more that hostile files
can reach, and EPS is run by Ghostscript."""
ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose further frames are an animation. A phone's MPO is a photo with a preview, so that
its first frame is the picture."""

SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101
"""The TIFF tag that tells what a frame is, and its bits of a smaller copy and of a mask."""
SAMPLE_FORMAT, UNSIGNED = 339, 1
"""The TIFF tag that tells what a pixel's number is, and its value for integers without a sign."""
MAX_COPIES = 32
"""The most frames of a TIFF file that are looked at for a second page: pyramids have a dozen."""

HINTS = {
    b"ftypavif": ": AVIF needs Pillow 11.3 or later",
    b"ftypheic": ": save HEIC as JPEG",
    b"ftypheix": ": save HEIC as JPEG",
}
"""Bytes 5 to 12 of a file -> what to do if Pillow does not read it."""


class Image(MediaModality):
    """Images, which the vision tower and its connector encode."""

    name: ClassVar = "image"
    inputs: ClassVar = ("pixel_values", "image_features")
    towers: ClassVar = ("vision", "connector")
    aliases: ClassVar = ("image_url", "input_image")
    suffixes: ClassVar = (
        ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"
    )  # fmt: skip
    max_bytes: ClassVar = 2**28
    """256 MiB: 8192 x 8192 pixels, uncompressed, in RGBA."""
    lengths: ClassVar = "image_tiles"
    """Absent where every picture is one tile."""
    order: ClassVar = 1

    def decode(self, content: bytes) -> Any:
        return decode_image(content)

    def serialize(self, item: Any) -> bytes:
        palette = item.getpalette() if item.mode == "P" else None
        return f"{item.mode} {item.size} {palette}".encode() + item.tobytes()

    def shrink(self, item: Any, max_pixels: int) -> Any:
        """Return a PIL image with at most so many pixels, its aspect ratio kept to rounding."""
        width, height = item.size
        if width * height <= max_pixels:
            return item
        scale = (max_pixels / (width * height)) ** 0.5
        breadth = min(max(1, int(width * scale)), max_pixels)
        length = min(max(1, int(height * scale)), max_pixels // breadth)
        filter = import_optional("PIL.Image", "data").Resampling.BICUBIC
        return item.resize((min(breadth, max_pixels // length), length), filter)


def decode_image(content: bytes) -> Any:
    """Return a PIL image, RGB, turned upright by its EXIF orientation, transparent parts white.

    Raises ValueError if Pillow cannot decode all of it, if it has more pixels than
    `MediaLimits` allow, or if it is an animation; see ANIMATED_FORMATS.
    """
    image = open_image(content)
    try:
        image.load()
        upright = import_optional("PIL.ImageOps", "data").exif_transpose(image)
    except Exception as error:  # decoders raise many types for damaged files
        raise ValueError(f"is a damaged {image.format} picture: {error}") from None
    return convert_to_rgb(upright, image.format, is_unsigned=is_unsigned(image))


def open_image(content: bytes) -> Any:
    """Open a PIL image without decoding it, and check what its header says."""
    image_module = import_optional("PIL.Image", "data")
    try:
        image = image_module.open(io.BytesIO(content), formats=list_formats())
    except image_module.UnidentifiedImageError:
        hint = next((text for mark, text in HINTS.items() if content[4:12] == mark), "")
        raise ValueError(
            f"is no picture that can be read (it begins with {content[:8]!r}){hint}"
        ) from None
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
        raise ValueError(f"is too large a picture: {error}") from None
    except Exception as error:  # decoders raise many types for damaged files
        raise ValueError(f"is a damaged picture: {error}") from None
    width, height = image.size
    most = read_media_limits().image_pixels
    if width * height > most:
        raise ValueError(
            f"has {width} x {height} pixels: at most {most} are read; shrink it, or set "
            "COTERIE_MAX_IMAGE_PIXELS"
        )
    if image.format in ANIMATED_FORMATS and is_animated(image):
        raise ValueError(
            f"is an animated {image.format} picture: save the frame that is meant, or give the "
            "frames as a `video`, a list of pictures"
        )
    if image.format == "TIFF" and has_pages(image):
        raise ValueError(
            "is a TIFF file of several pages: save the page that is meant, or give the pages as "
            "pictures, a file each"
        )
    return image


@cache
def list_formats() -> tuple[str, ...]:
    """List those of FORMATS that the installed Pillow reads."""
    image_module = import_optional("PIL.Image", "data")
    image_module.init()
    return tuple(name for name in FORMATS if name in image_module.OPEN)


def has_pages(image: Any) -> bool:
    """Return whether a TIFF file has a second frame that is neither a smaller copy nor a mask."""
    try:
        for frame in range(1, MAX_COPIES):
            image.seek(frame)
            if not int(image.tag_v2.get(SUBFILE_TYPE, 0)) & REDUCED_OR_MASK:
                return True
    except EOFError:
        pass
    except Exception as error:
        raise ValueError(f"is a damaged {image.format} picture: {error}") from None
    image.seek(0)
    return False


def is_animated(image: Any) -> bool:
    """Return whether a PIL image has more frames than one."""
    try:
        return getattr(image, "is_animated", False)
    except Exception as error:
        raise ValueError(f"is a damaged {image.format} picture: {error}") from None


def is_unsigned(image: Any) -> bool:
    """Return whether a TIFF file's integers have no sign, with which Pillow reads 32 bits."""
    tags = getattr(image, "tag_v2", None)
    return bool(tags) and bool(np.ravel(tags.get(SAMPLE_FORMAT, UNSIGNED))[0] == UNSIGNED)


def convert_to_rgb(
    image: Any, image_format: str | None = None, *, is_unsigned: bool = False
) -> Any:
    """Convert `image` to 8-bit RGB, over white where it is transparent.

    Grey values of more than 8 bits are scaled by `scale_grey`: Pillow would clip them at 255. Those
    of 32 bits are read without a sign if `is_unsigned`.
    """
    # Pillow opens a PGM of 16 bits, and before release 11 such a PNG, as "I".
    if image.mode.startswith("I;16") or (image.mode == "I" and image_format in ("PNG", "PPM")):
        return convert_grey(scale_grey(np.asarray(image), largest=65535))
    if image.mode == "I":
        values = np.asarray(image).view(np.uint32 if is_unsigned else np.int32)
        return convert_grey(scale_grey(values, largest=255))
    if image.mode == "F":
        return convert_grey(scale_grey(np.asarray(image), largest=1))
    try:
        if not image.has_transparency_data:
            return image.convert("RGB")
        colours = image.convert("RGBA")
        white = import_optional("PIL.Image", "data").new("RGB", image.size, "white")
        white.paste(colours, mask=colours.getchannel("A"))
    except ValueError as error:  # such as of LAB colours
        problem = f"has pixels of mode {image.mode}, which are not read ({error})"
        raise ValueError(f"{problem}: save it as RGB or grey") from None
    return white


def scale_grey(
    values: Shaped[np.ndarray, "height breadth"], *, largest: int
) -> Shaped[np.ndarray, "height breadth"]:
    """Scale grey values to 0..255, in float32.

    Values within 0..`largest` are scaled by 255 / `largest`: 65535 for 16 bits, 255 for 32 bits, 1
    for floats. Others, whose range no format states, are stretched, so that the smallest becomes 0
    and the largest 255. Raises ValueError if one is NaN or infinite.
    """
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):  # a NaN is the minimum, too
        raise ValueError("has pixels that are no finite numbers (NaN or infinite): fill them in")
    if low < 0 or high > largest:
        values = (values - low) / (high - low or 1.0)
        largest = 1
    values *= 255 / largest
    return values


def convert_grey(values: Shaped[np.ndarray, "height breadth"]) -> Any:
    """Return an RGB PIL image of grey values from 0 to 255, rounded."""
    grey = np.rint(values).astype(np.uint8)
    return import_optional("PIL.Image", "data").fromarray(grey).convert("RGB")
