"""The largest image that a processor is given, and that it makes of one."""

from math import isqrt
from typing import Any

ATTRIBUTE = "coterie_max_pixels"
"""The attribute of a processor that holds its limit."""


def set_max_pixels(processor: Any, limit: int | None) -> None:
    """Limit the pixels of an image: `get_max_pixels` returns it, and enlarging is limited, too.

    Raises ValueError if the processor takes no images.
    """
    if limit is None:
        return
    images = getattr(processor, "image_processor", None)
    if images is None:
        raise ValueError(
            f"max_pixels={limit} limits images, and this model reads text alone: leave it out"
        )
    setattr(processor, ATTRIBUTE, limit)
    options = getattr(getattr(images, "valid_kwargs", None), "__annotations__", {})
    if "max_pixels" in options:  # Qwen-VL and others: both "edges" are numbers of pixels
        images.size = type(images.size)(
            **{name: min(pixels, limit) for name, pixels in dict(images.size).items()}
        )
    elif "max_image_size" in options and "longest_edge" in images.size:
        # Idefics3, SmolVLM: the longest edge is enlarged to this, and split into tiles.
        tile = images.max_image_size["longest_edge"]
        longest = max(tile, isqrt(limit) // tile * tile)
        longest = min(images.size["longest_edge"], longest)
        images.size = type(images.size)(longest_edge=longest)


def get_max_pixels(processor: Any) -> int | None:
    """Return the limit on the pixels of an image before it is processed; None for none."""
    return getattr(processor, ATTRIBUTE, None)
