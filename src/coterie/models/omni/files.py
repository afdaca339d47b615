"""Small files of tensors under the hash of what they were computed from; processes share them."""

import hashlib
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from coterie.io import explain_write_errors


def read(folder: Path, key: str) -> dict[str, Tensor] | None:
    """Return the tensors of a key; None if its file does not exist or is incomplete."""
    try:
        return load(_get_path(folder, key).read_bytes())
    except (FileNotFoundError, SafetensorError):
        return None


def write(folder: Path, key: str, tensors: dict[str, Tensor]) -> None:
    """Write the tensors of a key to a temporary file, and rename it once complete."""
    path = _get_path(folder, key)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            unfinished = Path(scratch) / path.name
            unfinished.write_bytes(save(tensors))
            unfinished.replace(path)


def _get_path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.safetensors"


def compute_digest(*parts: bytes) -> str:
    """Compute the SHA-256 of byte strings and their lengths, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def serialize_tensor(tensor: Tensor) -> bytes:
    """Serialize a tensor's shape, dtype and bytes."""
    flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return f"{tuple(tensor.shape)} {tensor.dtype}".encode() + flat.numpy().tobytes()
