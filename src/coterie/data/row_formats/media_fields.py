"""Media of a row: files, data URLs, base64 and bytes."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coterie.data.dataset import RowError
from coterie.data.row_formats.encoded_media import parse_encoded
from coterie.data.row_formats.fields import Row, check_text, format_value, parse_list_text
from coterie.data.sample import MediaFile
from coterie.file_names import find_unicode_form, suggest_path
from coterie.io import check_regular_file
from coterie.modalities.base import get_media_modality

MAX_MEDIA = 1000
"""The most items of one modality in a row."""
NEAR_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".wav", ".WAV", ".mp3", ".flac")
"""Other ends under which a file that is not there is looked for."""
MAX_SHOWN_CHARACTERS = 300
"""Longer paths are shortened in errors."""


def find_media(row: Row, kind: str, name: str, folder: Path) -> list[MediaFile]:
    """Find the media of a modality in the columns `name` and `name` + "s"."""
    media = []
    for field in (name, f"{name}s"):
        value = parse_list_text(row.get(field))
        if isinstance(value, list) and not is_frame_list(kind, value):
            if len(value) > MAX_MEDIA:
                raise RowError(field, f"has {len(value)} items: at most {MAX_MEDIA} are read")
            media += [parse_media(kind, x, folder, f"{field}[{i}]") for i, x in enumerate(value)]
        elif value is not None:
            media.append(parse_media(kind, value, folder, field))
    return media


def is_frame_list(kind: str, value: Any) -> bool:
    """Return whether a value is a list of the pictures that are one item's frames."""
    frames = get_media_modality(kind).frames
    if frames is None or not isinstance(value, list):
        return False
    suffixes = get_media_modality(frames).suffixes
    return bool(value) and all(path.lower().endswith(suffixes) for path in list_paths(value))


def list_paths(value: list[Any]) -> Iterator[str]:
    """Yield the path of each item, "" for one without."""
    for item in value:
        path = item.get("path") if isinstance(item, Mapping) else item
        yield path if isinstance(path, str) else ""


def parse_media(kind: str, value: Any, folder: Path, field: str) -> MediaFile:
    """Parse a media item.

    It is a path; a file:// or data: URL; base64 of a file; the file's bytes; Hugging Face's
    {"bytes", "path"}; OpenAI's {"url"} or {"data"}; or, for videos, a list of frames.
    """
    if is_frame_list(kind, value):
        frame = str(get_media_modality(kind).frames)
        frames = [parse_media(frame, x, folder, f"{field}[{i}]") for i, x in enumerate(value)]
        return MediaFile(kind=kind, frames=tuple(frames))
    if isinstance(value, Mapping):
        keys = ("bytes", "path", "url", "data", kind)
        # All that such objects have, so that none counts as unread.
        given = [value.get(key) for key in (*keys, "type", "media_type", "format")][: len(keys)]
        found = next((each for each in given if each is not None), None)
        if found is None or isinstance(found, Mapping):
            raise RowError(field, f"is {format_value(value)}: give one of {', '.join(keys)} in it")
        value = found
    if isinstance(value, bytes):
        return make_inline(kind, value, field)
    if not isinstance(value, str):
        raise RowError(field, f"is {format_value(value)}: give the path of a file with the {kind}")
    encoded = parse_encoded(value, field, folder)
    if isinstance(encoded, bytes):
        return make_inline(kind, encoded, field)
    check_text(encoded, field)
    given = os.path.expanduser(encoded)  # Path's raises for ~nobody
    path = Path(find_unicode_form(str(folder / given)))
    check_file(path, encoded, field, get_media_modality(kind).get_max_bytes())
    return MediaFile(kind=kind, path=path)


def make_inline(kind: str, content: bytes, field: str) -> MediaFile:
    """Make the media item of a file's bytes. Raises RowError for none, or too many."""
    if not content:
        raise RowError(field, f"has 0 bytes: give the bytes of an encoded {kind}")
    limit = get_media_modality(kind).get_max_bytes()
    if len(content) > limit:
        raise RowError(
            field,
            f"has {len(content)} bytes: at most {limit} are read; shrink it"
            " or set COTERIE_MAX_MEDIA_BYTES",
        )
    return MediaFile(kind=kind, content=content)


def check_file(path: Path, given: str, field: str, max_bytes: int) -> None:
    """Raise RowError unless `path` is a regular file of 1 to `max_bytes` bytes."""
    shown = repr(given) if len(given) <= MAX_SHOWN_CHARACTERS else format_value(given)
    try:
        if path.is_dir():
            raise RowError(field, f"{shown} is a folder: give a file")
        size = check_regular_file(path).st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        place = str(path.parent)[:MAX_SHOWN_CHARACTERS]
        problem = f"the file {shown} cannot be read in {place}: {reason}"
        advice = suggest_path(str(path)) or suggest_name(path)
        raise RowError(field, f"{problem}{advice}") from None
    if size == 0:
        raise RowError(field, f"{shown} is an empty file: it has 0 bytes")
    if size > max_bytes:
        problem = f"{shown} has {size} bytes: at most {max_bytes} are read"
        raise RowError(field, f"{problem}; shrink or cut it, or set COTERIE_MAX_MEDIA_BYTES")


def suggest_name(path: Path) -> str:
    """Return the name of a file that is nearly called so, as advice; "" for none."""
    name = path.name
    near = {name.strip(), name.lower(), name.upper(), *(path.stem + end for end in NEAR_SUFFIXES)}
    found = [each for each in sorted(near - {name, ""}) if os.path.isfile(path.with_name(each))]
    return f"; there is {found[0]!r}" if found else ""
