"""Which pictures and sounds have been decoded without fault, remembered from run to run."""

import hashlib
from pathlib import Path

from coterie.data.media import Media
from coterie.data.rows import RowError
from coterie.embedded.home import writable_home


class Decoding:
    """Decodes each picture and sound once, and no more while its size and time stay the same.

    The good ones are kept, hashed, in "checked.txt" of coterie's cache folder. If nothing can be
    written there, they are decoded again in the next run.
    """

    def __init__(self) -> None:
        self.memory = memory()
        self.good: set[str] = set()
        if self.memory is not None and self.memory.exists():
            self.good.update(self.memory.read_text(encoding="ascii", errors="replace").split())
        self.new: list[str] = []
        self.faults: dict[str, str] = {}

    def check(self, media: Media, field: str) -> None:
        """Raises RowError if `media` cannot be decoded."""
        key = key_of(media)
        if key not in self.good and key not in self.faults:
            try:
                media.load()
            except ValueError as error:
                self.faults[key] = str(error)
            else:
                self.good.add(key)
                self.new.append(key)
        if key in self.faults:
            raise RowError(field, self.faults[key])

    def save(self) -> None:
        """Remember what was found good."""
        if self.new and self.memory is not None:
            with self.memory.open("a", encoding="ascii") as file:
                file.write("".join(f"{key}\n" for key in self.new))
            self.new.clear()


def memory() -> Path | None:
    """The file of what was found good; None if it could not be written."""
    try:
        return writable_home() / "checked.txt"
    except ValueError:
        return None


def key_of(media: Media) -> str:
    """Equal as long as the picture or sound is the same, told by name, size and time of a file."""
    text = media.digest() if media.at is None else stamp(media.at)
    return hashlib.sha256(f"{media.kind}|{text}".encode()).hexdigest()[:32]


def stamp(path: Path) -> str:
    """Path, size and time of change of a file."""
    try:
        stat = path.stat()
    except OSError:
        return str(path)
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
