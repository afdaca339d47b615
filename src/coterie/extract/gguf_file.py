"""`read_tensors`: the tensors of a GGUF file that hold floating-point numbers."""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

MAGIC = b"GGUF"
ALIGNMENT = "general.alignment"
STRING, ARRAY = 8, 9
SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Type of a value in the header -> its letter in `struct`."""
FLOATS = {0: (np.float32, torch.float32), 1: (np.float16, torch.float16), 30: (np.int16, None)}
"""Type of a tensor -> its types in numpy and torch; bfloat16 has none in numpy."""


class _Header:
    """A reader of the header, value after value."""

    def __init__(self, data: Any) -> None:
        self.data, self.place = data, 0

    def read(self, letter: str) -> Any:
        (value,) = struct.unpack_from(f"<{letter}", self.data, self.place)
        self.place += struct.calcsize(f"<{letter}")
        return value

    def read_text(self) -> str:
        length = self.read("Q")
        self.place += length
        return bytes(self.data[self.place - length : self.place]).decode()

    def read_value(self, kind: int) -> Any:
        if kind == STRING:
            return self.read_text()
        if kind == ARRAY:
            inner, count = self.read("I"), self.read("Q")
            return [self.read_value(inner) for _ in range(count)]
        return self.read(SIZES[kind])


def read_tensors(file: Path) -> Iterator[tuple[str, Float[Tensor, "..."] | None]]:
    """Yield each tensor's name and values; None for one in a quantised type.

    Raises ValueError for a file that is no GGUF, or is cut off.
    """
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{file} is no GGUF file")
        data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        header = _Header(data)
        header.place = len(MAGIC) + 4  # and the version
        count, num_values = header.read("Q"), header.read("Q")
        values = {}
        for _ in range(num_values):
            key = header.read_text()
            values[key] = header.read_value(header.read("I"))
        infos = [_read_info(header) for _ in range(count)]
        align = values.get(ALIGNMENT, 32)
        start = -(-header.place // align) * align
        for name, shape, kind, offset in infos:
            yield name, _read_floats(data, shape, kind, start + offset)
    except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error


def _read_info(header: _Header) -> tuple[str, list[int], int, int]:
    name, axes = header.read_text(), header.read("I")
    shape = [header.read("Q") for _ in range(axes)]
    # The fastest axis is the first in the file.
    return name, shape[::-1], header.read("I"), header.read("Q")


def _read_floats(data: Any, shape: list[int], kind: int, place: int) -> Tensor | None:
    if kind not in FLOATS:
        return None
    numbers, own = FLOATS[kind]
    array = np.frombuffer(data, numbers, int(np.prod(shape)), place).reshape(shape).copy()
    tensor = torch.from_numpy(array)
    return (tensor.view(torch.bfloat16) if own is None else tensor).float()
