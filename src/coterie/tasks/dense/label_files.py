"""Decoders of image and label files, which reject damaged files instead of guessing labels."""

import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16

from coterie.data.dataset import BadRow
from coterie.io import read_regular_file
from coterie.modalities.image import list_formats
from coterie.modalities.limits import read_media_limits
from coterie.optional_imports import import_optional

AGAIN = "fetch or export it again"
"""Advice for damaged files in error messages."""
MAX_BYTES = 2**28
"""The largest file, 256 MiB: 8192 x 8192 pixels of 32 bits, uncompressed."""
MAX_VALUES = 2**26
"""The most values of an array in a file that may be compressed."""


def decode_image(content: bytes) -> Any:
    """Decode a PIL image completely, without converting its values or turning it, as labels are.

    Raises ValueError if Pillow cannot decode it, or if it has more pixels than
    `MediaLimits` allow.
    """
    module, most = import_optional("PIL.Image", "data"), read_media_limits().image_pixels
    try:
        image = module.open(io.BytesIO(content), formats=list_formats())
        if image.size[0] * image.size[1] <= most:
            image.load()
    except module.UnidentifiedImageError:
        raise ValueError(f"is no picture (it begins with {content[:8]!r}): {AGAIN}") from None
    except Exception as error:  # decoders raise arbitrary errors on damaged data
        raise ValueError(f"is a damaged picture ({error}): {AGAIN}") from None
    if image.size[0] * image.size[1] > most:
        raise ValueError(f"has more than {most} pixels: shrink it, or set COTERIE_MAX_IMAGE_PIXELS")
    return image


def decode_rgb(content: bytes) -> UInt8[np.ndarray, "channels height breadth"]:
    """Decode an input image as RGB, 0 to 255."""
    return np.array(decode_image(content).convert("RGB")).transpose(2, 0, 1)


def _decode_mode(content: bytes, modes: Sequence[str], allowed: str) -> Shaped[np.ndarray, "..."]:
    """Decode the values of an image. Raises ValueError if it is of another mode."""
    image = decode_image(content)
    if image.mode.partition(";")[0] not in modes:
        raise ValueError(f"is a picture of mode {image.mode}: {allowed} is allowed; {AGAIN}")
    return np.array(image)


def decode_rgb_label(content: bytes) -> UInt8[np.ndarray, "channels height breadth"]:
    """Decode a label stored as an RGB image, 0 to 255; an alpha channel is removed."""
    # A grey image does not encode colours.
    return _decode_mode(content, ("RGB", "RGBA"), "RGB of 8 bits")[..., :3].transpose(2, 0, 1)


def decode_uint8(content: bytes) -> UInt8[np.ndarray, "height breadth"]:
    """Decode a label stored in one channel of 8 bits; of a palette image, the indices."""
    return _decode_mode(content, ("L", "P"), "one channel of 8 bits (L or P)")


def decode_uint16(content: bytes) -> UInt16[np.ndarray, "height breadth"]:
    """Decode a label stored as a grey image of 16 bits, 0 to 65535."""
    # "I;16"; Pillow before 11 says "I"
    return _decode_mode(content, ("I",), "one channel of 16 bits").astype(np.uint16)


def decode_npy(content: bytes) -> Shaped[np.ndarray, "..."]:
    """Decode a .npy file of booleans or real numbers. Raises ValueError, also for pickled ones."""
    try:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a damaged header may fail in Python's parser
        raise ValueError(f"is no good .npy file ({error}): save plain numbers again") from None
    if array.dtype.kind not in "buif":
        raise ValueError(f"holds {array.dtype}: numbers are allowed; save it again")
    return array


def decode_mat(content: bytes, variable: str) -> Shaped[np.ndarray, "..."]:
    """Decode `variable` of a .mat file of version 4 to 7.2, which cannot execute code."""
    module = import_optional("scipy.io", "data")
    try:
        # From the headers, before anything is unpacked.
        shapes = {name: shape for name, shape, _ in module.whosmat(io.BytesIO(content))}
        if math.prod(shapes.get(variable, ())) > MAX_VALUES:
            raise ValueError(f"{variable} has shape {list(shapes[variable])}, which is too large")
        names = [variable] if variable in shapes else None
        found = module.loadmat(io.BytesIO(content), variable_names=names)
    except Exception as error:  # scipy raises arbitrary errors on damaged data
        raise ValueError(f"is no good .mat file ({error}): {AGAIN}") from None
    if variable not in found:
        names = ", ".join(name for name in found if not name.startswith("__")) or "nothing"
        raise ValueError(f"has no variable {variable}, but {names}: {AGAIN}")
    return found[variable]


def check_size(label: tuple[int, ...], image: tuple[int, ...]) -> None:
    """Raise ValueError unless a label has the height and breadth of its image."""
    if tuple(label) != tuple(image):
        raise ValueError(
            f"is {' x '.join(map(str, label))}, its picture {' x '.join(map(str, image))} "
            f"(height x breadth): they must be of one size; {AGAIN}"
        )


def check_shape(found: tuple[int, ...], allowed: tuple[int, ...]) -> None:
    """Raise ValueError unless an array has the allowed shape."""
    if tuple(found) != tuple(allowed):
        raise ValueError(f"has shape {list(found)}: {list(allowed)} is allowed; {AGAIN}")


Decoded = TypeVar("Decoded")


class LabelFileError(ValueError):
    """Error of a file that is missing or damaged."""

    def __init__(self, source: str, field: str, reason: str) -> None:
        self.bad_row = BadRow(source=source, field=field, reason=reason)
        super().__init__(str(self.bad_row))


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """A file with the image or one label of a sample.

    Attributes:
        name: path relative to `folder`, the data set's, with slashes, as in error messages.
        field: the task whose label it holds, or "image".
    """

    folder: Path
    name: str
    field: str

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def read(self, decode: Callable[[bytes], Decoded]) -> Decoded:
        """Read and decode the file. Raises LabelFileError if `decode` raises ValueError."""
        try:
            content = read_regular_file(self.path, MAX_BYTES)
        except OSError as error:
            raise self.make_error(f"cannot be read ({error.strerror}): fetch it again") from None
        if not content:
            raise self.make_error("is empty: fetch it again")
        try:
            return decode(content)
        except ValueError as error:
            raise self.make_error(" ".join(str(error).split())) from None

    def make_error(self, reason: str) -> LabelFileError:
        return LabelFileError(self.name, self.field, reason)


def make_absolute_path(folder: Path | str) -> Path:
    """Return a folder's absolute path, which is independent of the working directory."""
    return Path(os.path.expanduser(folder)).absolute()
