"""The reader of GGUF files, on a file laid out by hand."""

import struct
from pathlib import Path

import pytest
import torch

from coterie.extract.gguf_file import read_tensors


def write(file: Path) -> Path:
    """A matrix of two rows in float32, one of halves in bfloat16, and a quantised one."""
    infos = b""
    for name, shape, kind, offset in (
        ("a", (3, 2), 0, 0),
        ("b", (1, 2), 30, 32),
        ("c", (4,), 8, 64),
    ):
        infos += struct.pack("<Q", 1) + name.encode() + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)
    start = b"GGUF" + struct.pack("<IQQ", 3, 3, 0) + infos
    start += bytes(-len(start) % 32)
    # 0x3f00 is 0.5 in bfloat16, and 0xbf80 is -1.
    body = struct.pack("<6f", 1, 2, 3, 4, 5, 6).ljust(32, b"\0") + struct.pack(
        "<2H", 0x3F00, 0xBF80
    )
    file.write_bytes(start + body.ljust(128, b"\0"))
    return file


def test_values(tmp_path: Path) -> None:
    found = dict(read_tensors(write(tmp_path / "x.gguf")))
    assert found["a"] is not None and found["a"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["b"] is not None and torch.equal(found["b"], torch.tensor([[0.5], [-1.0]]))
    assert found["c"] is None


def test_damage(tmp_path: Path) -> None:
    file = write(tmp_path / "x.gguf")
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"x\.gguf is damaged"):
        list(read_tensors(file))
    file.write_bytes(b"none")
    with pytest.raises(ValueError, match="is no GGUF file"):
        list(read_tensors(file))
