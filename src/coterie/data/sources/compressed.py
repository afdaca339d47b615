"""Compressed files of rows, unpacked once into coterie's cache folder."""

import bz2
import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coterie.data.sources.base import get_first_line
from coterie.data.validation_cache import make_file_stamp, make_key
from coterie.optional_imports import import_optional
from coterie.paths import make_cache_dir

CHUNK_BYTES = 2**20
MAX_RATIO = 200
"""Files that unpack to more times their size are refused, beyond FREE_BYTES: text of rows shrinks
to a tenth or a thirtieth, a bomb to a thousandth."""
FREE_BYTES = 2**28
MAX_UNPACKED_BYTES = 2**36
"""64 GiB: an unpacked copy is held on disk."""


def open_zstd(path: Path) -> Any:
    pyarrow = import_optional("pyarrow", "data")
    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": open_zstd
}  # fmt: skip
"""Ending -> what opens such a file; Zstandard's is Arrow's, as Python has it from 3.14 on."""


def unpack(path: Path) -> Path:
    """Return the unpacked copy of a file. Raises ValueError if it is damaged or a bomb."""
    if not path.stat().st_size:
        raise ValueError(f"{path} cannot be unpacked: it is empty")
    folder = make_cache_dir() / "rows"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{make_key(make_file_stamp(path))}.unpacked"
    if copy.exists():
        return copy
    part = copy.with_suffix(f".{os.getpid()}.part")
    try:
        with OPENERS[path.suffix.lower()](path) as packed, part.open("wb") as file:
            copy_within_limit(packed, file, path)
        return part.replace(copy)  # atomic, so that an existing copy is complete
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or get_first_line(error)
        raise ValueError(f"{path} cannot be unpacked ({reason}): it may be damaged") from None
    finally:
        part.unlink(missing_ok=True)


def copy_within_limit(packed: Any, file: Any, path: Path) -> None:
    """Copy all bytes. Raises ValueError for too many."""
    limit = min(max(FREE_BYTES, MAX_RATIO * path.stat().st_size), MAX_UNPACKED_BYTES)
    free = shutil.disk_usage(Path(file.name).parent).free
    count = 0
    while chunk := packed.read(CHUNK_BYTES):
        count += len(chunk)
        if count > limit:
            raise ValueError(
                f"{path} unpacks to more than {limit} bytes, {MAX_RATIO} times its size: unpack it "
                "yourself, if that is right"
            )
        if count > free:
            raise ValueError(f"{path} unpacks to more than the {free} bytes that are free")
        file.write(chunk)
