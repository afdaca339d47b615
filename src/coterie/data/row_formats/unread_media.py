"""Media of a row that nothing reads, which are refused: rows would be trained without them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from coterie.annotations import format_suggestions
from coterie.data.dataset import RowError
from coterie.data.row_formats.fields import Row, format_value
from coterie.modalities.base import find_media_modalities

OTHER_MODALITIES = (
    "depth", "points", "point", "pointcloud", "point_cloud", "pcd", "lidar", "mesh", "voxel",
    "thermal", "infrared", "radar", "imu", "tactile", "eeg", "3d"
)  # fmt: skip
"""Words of modalities, in names of columns, that coterie has not."""
MEDIA_WORDS = (
    "img", "picture", "photo", "pic", "frame", "sound", "speech", "wav", "voice", "recording",
    "clip", "media", "image", "audio", "video", "screenshot", "gif", "figure", "diagram", "scan",
    "slide", "spectrogram", "mel", "movie"
)  # fmt: skip
"""Further words in names of columns that hold media."""
FILE_WORDS = ("file", "filename", "path")
"""Words in names of columns that hold any file: one that a modality reads is of media."""
OTHER_SUFFIXES = (
    ".npy", ".npz", ".ply", ".pcd", ".las", ".obj", ".glb", ".stl", ".exr", ".bin", ".pt",
    ".bag", ".heic", ".svg", ".pdf", ".gif", ".flv", ".wmv", ".wma", ".amr"
)  # fmt: skip
"""Endings of media files that coterie does not read."""
MAX_PATH_CHARACTERS = 1024


def check_columns(row: Row, *, read: Iterable[str], has_media: bool) -> None:
    """Raise RowError for a column of media that is none of the columns `read`.

    That is a column with a file, bytes or a list of these whose name has a word of a modality: of
    one that coterie does not have, or of any, numbered or if the row has no other media.
    """
    known = {*read}
    for name, value in row.items():
        if name in known or not is_media(value):
            continue
        words = {word.rstrip("s") for word in re.split(r"[^a-z0-9]+", name.lower())} | {name}
        is_other = any(word.rstrip("s") in words for word in OTHER_MODALITIES)
        modalities = find_media_modalities()
        is_numbered = any(re.fullmatch(rf"{kind}s?[_-]?\d+", name.lower()) for kind in modalities)
        is_named = bool(words & {*MEDIA_WORDS, *modalities})
        is_file = bool(words & {*FILE_WORDS}) and str(value).lower().endswith(list_suffixes())
        if is_other or is_numbered or (not has_media and (is_named or is_file)):
            columns = ", ".join(f"`{kind}: {name}`" for kind in modalities)
            near = format_suggestions(name, known)
            raise RowError(
                name,
                f"holds {format_value(value)}, which nothing reads{near}: "
                f"say in tasks.yaml what it is ({columns}), or leave the column out",
            )


def is_media(value: Any) -> bool:
    """Return whether a value is the bytes or path of a file, or a list or object of these."""
    if isinstance(value, list):
        return bool(value) and is_media(value[0])
    if isinstance(value, Mapping):
        return any(isinstance(value.get(key), str | bytes) for key in ("bytes", "path", "url"))
    if isinstance(value, bytes):
        return True
    if not isinstance(value, str) or len(value) > MAX_PATH_CHARACTERS or "\n" in value:
        return value[:11] == "data:image/" if isinstance(value, str) else False
    if value.startswith(("http://", "https://")):  # only where the column's name is of media
        return True
    return value.lower().endswith((*list_suffixes(), *OTHER_SUFFIXES))


def list_suffixes() -> tuple[str, ...]:
    """List the endings of the files that modalities read."""
    return tuple(end for each in find_media_modalities().values() for end in each.suffixes)
