"""Atomic reading and writing of small tensor files that processes share."""

import contextlib
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor


def read(path: Path) -> dict[str, Tensor] | None:
    """Return the tensors of a file; None if it does not exist or is incomplete."""
    try:
        return load(path.read_bytes())
    except (FileNotFoundError, SafetensorError):
        return None


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors to a temporary file, and rename it once complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(save(tensors))
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
