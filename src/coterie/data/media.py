"""`MediaFile`: one image or audio recording of a sample, loaded lazily."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coterie.modalities.base import find_media_modalities, get_media_modality


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """An image, audio recording or other media item, as a file or in memory.

    Attributes:
        kind: the modality's name, such as "image" or "audio".
        path: the file, or None.
        content: encoded bytes (Parquet, hub), or None. Exactly one of the two is given.
    """

    kind: str
    path: Path | None = None
    content: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        known = find_media_modalities()
        if self.kind not in known:
            raise ValueError(f"MediaFile(kind={self.kind!r}): give {' or '.join(known)}")
        if (self.path is None) == (self.content is None):
            raise ValueError(f"{self!r}: give either `path`, a file, or `content`, its bytes")

    def load(self) -> Any:
        """Decode the item with the modality's `decode`, e.g. to a PIL image or float32 [time].

        Raises ValueError that names the file if it cannot be read or decoded.
        """
        content = self.read_bytes()
        try:
            return get_media_modality(self.kind).decode(content)
        except ValueError as error:
            raise ValueError(f"{self.name} {error}") from None

    def compute_digest(self) -> str:
        """Compute the SHA-256 of the encoded bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.read_bytes()).hexdigest()

    def read_bytes(self) -> bytes:
        """Return the encoded bytes. Raises ValueError if the file cannot be read."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ValueError(f"{self.name} cannot be read: {error.strerror}") from None

    @property
    def name(self) -> str:
        """Name for error messages."""
        if self.path is not None:
            return str(self.path)
        return f"{self.kind} of {len(self.content or b'')} bytes"
