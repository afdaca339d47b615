"""One picture or sound of a sample, read only when asked."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from coterie.data.audio import decode_audio
from coterie.data.image import decode_image


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A picture or a sound, in a file or in memory as it is encoded.

    Attributes:
        kind: "image" or "audio".
        at: the file ...
        content: ... or the bytes of one (Parquet, hub). Exactly one of the two is given.
    """

    kind: Literal["image", "audio"]
    path: Path | None = None
    content: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in DECODERS:
            raise ValueError(f"Media(kind={self.kind!r}): give {' or '.join(DECODERS)}")
        if (self.path is None) == (self.content is None):
            raise ValueError(f"{self!r}: give either `at`, a file, or `content`, its bytes")

    def load(self) -> Any:
        """A PIL image in RGB; or float32 samples [time] of one channel at 16 kHz.

        Raises ValueError, naming the file, if it cannot be read or decoded.
        """
        content = self.read_bytes()
        try:
            return DECODERS[self.kind](content)
        except ValueError as error:
            raise ValueError(f"{self.name} {error}") from None

    def compute_digest(self) -> str:
        """SHA-256 of the encoded bytes, 64 hexadecimal digits: equal for equal pictures."""
        return hashlib.sha256(self.read_bytes()).hexdigest()

    def read_bytes(self) -> bytes:
        """The bytes of the file."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ValueError(f"{self.name} cannot be read: {error.strerror}") from None

    @property
    def name(self) -> str:
        """What errors call it."""
        if self.path is not None:
            return str(self.path)
        return f"{self.kind} of {len(self.content or b'')} bytes"


DECODERS = {"image": decode_image, "audio": decode_audio}
