"""Images, decoded to upright RGB on white; damaged or too large files are refused."""

import io
from typing import Any, ClassVar

from coterie.modalities.base import MediaModality
from coterie.optional_imports import import_optional

MAX_PIXELS = 89_478_485
"""Largest number of pixels: Pillow's own limit, so that a small file cannot fill the memory."""


class Image(MediaModality):
    """Images, which the vision tower and its connector encode."""

    name: ClassVar = "image"
    inputs: ClassVar = ("pixel_values", "image_features")
    towers: ClassVar = ("vision", "connector")
    suffixes: ClassVar = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
    order: ClassVar = 1

    def decode(self, content: bytes) -> Any:
        return decode_image(content)

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

    Raises ValueError if Pillow cannot decode all of it, or if it has more than MAX_PIXELS pixels.
    Of an animation, the first frame is used.
    """
    image_module = import_optional("PIL.Image", "data")
    try:
        image = image_module.open(io.BytesIO(content))
    except image_module.UnidentifiedImageError:
        raise ValueError(
            f"is no picture that Pillow can read (it begins with {content[:8]!r})"
        ) from None
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
        raise ValueError(f"is too large a picture: {error}") from None
    except Exception as error:  # decoders raise many types for damaged files
        raise ValueError(f"is a damaged picture: {error}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"has {width} x {height} pixels: at most {MAX_PIXELS} are read; shrink it")
    try:
        return convert_to_rgb(import_optional("PIL.ImageOps", "data").exif_transpose(image))
    except Exception as error:
        raise ValueError(f"is a damaged {image.format} picture: {error}") from None


def convert_to_rgb(image: Any) -> Any:
    """Convert `image` to 8-bit RGB, over white where it is transparent."""
    if image.mode.startswith("I"):  # 16 bits: Pillow would clip them at 255, not scale them
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = import_optional("PIL.Image", "data").new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")
