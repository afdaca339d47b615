"""The variables of a CTranslate2 model file, without CTranslate2."""

import struct

import numpy as np

TYPES = ("<f4", "<i1", "<i2", "<i4", "<f2")
"""CTranslate2's data types by their number; bfloat16, the next one, numpy has not."""

VERSION = 6
"""The file layout that is read; older ones lack what is between."""


class BinaryReader:
    """Little-endian numbers and words of one file, from front to back."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def read_bytes(self, length: int) -> bytes:
        if self.position + length > len(self.content):
            raise ValueError(
                f"the CTranslate2 file is cut short: {self.position + length} bytes wanted, "
                f"{len(self.content)} there"
            )
        self.position += length
        return self.content[self.position - length : self.position]

    def read_number(self, form: str) -> int:
        return struct.unpack("<" + form, self.read_bytes(struct.calcsize(form)))[0]

    def read_string(self) -> str:
        return self.read_bytes(self.read_number("H")).rstrip(b"\0").decode()


def read_variables(content: bytes) -> dict[str, np.ndarray]:
    """Every variable of the model by name.

    Raises ValueError if the file has another layout, is cut short, or holds a type not read.
    """
    reader = BinaryReader(content)
    version = reader.read_number("I")
    if version != VERSION:
        raise ValueError(f"the CTranslate2 file has layout {version}, and only {VERSION} is read")
    reader.read_string()  # the specification's name
    reader.read_number("I")  # and its revision
    return dict(read_variable(reader) for _ in range(reader.read_number("I")))


def read_variable(reader: BinaryReader) -> tuple[str, np.ndarray]:
    """Name and values of the next variable."""
    name = reader.read_string()
    shape = [reader.read_number("I") for _ in range(reader.read_number("B"))]
    kind = reader.read_number("B")
    if kind >= len(TYPES):
        raise ValueError(f"{name} is of CTranslate2's type {kind}; 0 to {len(TYPES) - 1} are read")
    raw = reader.read_bytes(reader.read_number("I"))
    return name, np.frombuffer(raw, TYPES[kind]).reshape(shape)
