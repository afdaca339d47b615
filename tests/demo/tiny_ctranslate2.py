"""CTranslate2 model files by hand."""

import struct
from collections.abc import Mapping

import numpy as np

TYPES = ["float32", "int8", "int16", "int32", "float16"]


def word(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def model(variables: Mapping[str, np.ndarray]) -> bytes:
    """A file of layout 6 with these variables and no aliases."""
    out = struct.pack("<I", 6) + word("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, values in variables.items():
        out += word(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        out += struct.pack("<BI", TYPES.index(values.dtype.name), values.nbytes) + values.tobytes()
    return out + struct.pack("<I", 0)
