"""Which pictures and sounds have been decoded without fault, remembered from run to run."""

import hashlib
from pathlib import Path

from coterie.data.dataset import RowError
from coterie.data.media import MediaFile
from coterie.paths import make_cache_dir


class DecodeCache:
    """Decodes each picture and sound once, and no more while its size and time stay the same.

    The good ones are kept, hashed, in "checked.txt" of coterie's cache folder. If nothing can be
    written there, they are decoded again in the next run.
    """

    def __init__(self) -> None:
        self.cache_file = get_cache_file()
        self.valid: set[str] = set()
        if self.cache_file is not None and self.cache_file.exists():
            self.valid.update(self.cache_file.read_text(encoding="ascii", errors="replace").split())
        self.newly_valid: list[str] = []
        self.errors: dict[str, str] = {}

    def check(self, media: MediaFile, field: str) -> None:
        """Raises RowError if `media` cannot be decoded."""
        key = make_media_key(media)
        if key not in self.valid and key not in self.errors:
            try:
                media.load()
            except ValueError as error:
                self.errors[key] = str(error)
            else:
                self.valid.add(key)
                self.newly_valid.append(key)
        if key in self.errors:
            raise RowError(field, self.errors[key])

    def save(self) -> None:
        """Remember what was found good."""
        if self.newly_valid and self.cache_file is not None:
            with self.cache_file.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self.newly_valid))
            self.newly_valid.clear()


def get_cache_file() -> Path | None:
    """The file of what was found good; None if it could not be written."""
    try:
        return make_cache_dir() / "checked.txt"
    except ValueError:
        return None


def make_media_key(media: MediaFile) -> str:
    """Equal as long as the picture or sound is the same, told by name, size and time of a file."""
    text = media.compute_digest() if media.path is None else make_file_stamp(media.path)
    return hashlib.sha256(f"{media.kind}|{text}".encode()).hexdigest()[:32]


def make_file_stamp(path: Path) -> str:
    """Path, size and time of change of a file."""
    try:
        stat = path.stat()
    except OSError:
        return str(path)
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
