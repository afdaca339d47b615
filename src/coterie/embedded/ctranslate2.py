"""The variables of a CTranslate2 model file, without CTranslate2."""

import struct

import numpy as np

TYPES = ("<f4", "<i1", "<i2", "<i4", "<f2")
"""CTranslate2's data types by their number; bfloat16, the next one, numpy has not."""

VERSION = 6
"""The file layout that is read; older ones lack what is between."""


class Reader:
    """Little-endian numbers and words of one file, from front to back."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, length: int) -> bytes:
        if self.at + length > len(self.content):
            raise ValueError(
                f"the CTranslate2 file is cut short: {self.at + length} bytes wanted, "
                f"{len(self.content)} there"
            )
        self.at += length
        return self.content[self.at - length : self.at]

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def word(self) -> str:
        return self.take(self.number("H")).rstrip(b"\0").decode()


def variables(content: bytes) -> dict[str, np.ndarray]:
    """Every variable of the model by name.

    Raises ValueError if the file has another layout, is cut short, or holds a type not read.
    """
    reader = Reader(content)
    version = reader.number("I")
    if version != VERSION:
        raise ValueError(f"the CTranslate2 file has layout {version}, and only {VERSION} is read")
    reader.word()  # the specification's name
    reader.number("I")  # and its revision
    return dict(variable(reader) for _ in range(reader.number("I")))


def variable(reader: Reader) -> tuple[str, np.ndarray]:
    """Name and values of the next variable."""
    name = reader.word()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    kind = reader.number("B")
    if kind >= len(TYPES):
        raise ValueError(f"{name} is of CTranslate2's type {kind}; 0 to {len(TYPES) - 1} are read")
    raw = reader.take(reader.number("I"))
    return name, np.frombuffer(raw, TYPES[kind]).reshape(shape)
