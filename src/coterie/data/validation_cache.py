"""Caches of what was validated in earlier runs, valid while its files stay the same."""

import hashlib
from pathlib import Path

from coterie.data.dataset import RowError
from coterie.data.media import MediaFile
from coterie.paths import make_cache_dir


class ValidationCache:
    """Keys of what was found valid, in a file of coterie's cache folder, 33 bytes each.

    If nothing can be written there, everything is validated again in the next run.
    """

    def __init__(self, file_name: str) -> None:
        self.cache_file = get_cache_file(file_name)
        self.valid: set[str] = set()
        if self.cache_file is not None and self.cache_file.exists():
            self.valid.update(self.cache_file.read_text(encoding="ascii", errors="replace").split())
        self.newly_valid: list[str] = []

    def add(self, key: str) -> None:
        """Add a key, which `save` writes."""
        self.newly_valid.append(key)

    def save(self) -> None:
        """Append the keys that were added to the file."""
        if self.newly_valid and self.cache_file is not None:
            with self.cache_file.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self.newly_valid))
            self.newly_valid.clear()


class DecodeCache:
    """Decodes each image and sound once, and not again while its size and time stay the same."""

    def __init__(self) -> None:
        self.cache = ValidationCache("checked.txt")
        self.errors: dict[str, str] = {}

    def check(self, media: MediaFile, field: str) -> None:
        """Raise RowError if `media` cannot be decoded."""
        key = make_media_key(media)
        if key not in self.cache.valid and key not in self.errors:
            try:
                media.load()
            except ValueError as error:
                self.errors[key] = str(error)
            else:
                self.cache.valid.add(key)
                self.cache.add(key)
        if key in self.errors:
            raise RowError(field, self.errors[key])

    def save(self) -> None:
        """Write what was found valid."""
        self.cache.save()


def get_cache_file(name: str) -> Path | None:
    """Return a file of the cache folder; None if it cannot be written."""
    try:
        return make_cache_dir() / name
    except ValueError:
        return None


def make_key(text: str) -> str:
    """Hash what identifies something to 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_media_key(media: MediaFile) -> str:
    """Make a key of an image or sound: of its bytes, or of a file's name, size and time."""
    text = media.compute_digest() if media.path is None else make_file_stamp(media.path)
    return make_key(f"{media.kind}|{text}")


def make_file_stamp(path: Path) -> str:
    """Return path, size and modification time of a file as text."""
    try:
        stat = path.stat()
    except OSError:
        return str(path)
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
