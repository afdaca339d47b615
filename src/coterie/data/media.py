"""One picture or sound of a sample, read only when asked."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from coterie.data.picture import picture
from coterie.data.sound import sound


@dataclass(frozen=True, kw_only=True)
class Media:
    """A picture or a sound, in a file or in memory as it is encoded.

    Attributes:
        kind: "image" or "audio".
        at: the file ...
        content: ... or the bytes of one (Parquet, hub). Exactly one of the two is given.
    """

    kind: Literal["image", "audio"]
    at: Path | None = None
    content: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in DECODERS:
            raise ValueError(f"Media(kind={self.kind!r}): give {' or '.join(DECODERS)}")
        if (self.at is None) == (self.content is None):
            raise ValueError(f"{self!r}: give either `at`, a file, or `content`, its bytes")

    def load(self) -> Any:
        """A PIL image in RGB; or float32 samples [time] of one channel at 16 kHz.

        Raises ValueError, naming the file, if it cannot be read or decoded.
        """
        content = self.encoded()
        try:
            return DECODERS[self.kind](content)
        except ValueError as error:
            raise ValueError(f"{self.name} {error}") from None

    def digest(self) -> str:
        """SHA-256 of the encoded bytes, 64 hexadecimal digits: equal for equal pictures."""
        return hashlib.sha256(self.encoded()).hexdigest()

    def encoded(self) -> bytes:
        """The bytes of the file."""
        if self.content is not None:
            return self.content
        assert self.at is not None
        try:
            return self.at.read_bytes()
        except OSError as error:
            raise ValueError(f"{self.name} cannot be read: {error.strerror}") from None

    @property
    def name(self) -> str:
        """What errors call it."""
        if self.at is not None:
            return str(self.at)
        return f"{self.kind} of {len(self.content or b'')} bytes"


DECODERS = {"image": picture, "audio": sound}
