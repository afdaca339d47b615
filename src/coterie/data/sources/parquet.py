"""Rows of a Parquet file, read from a memory-mapped Arrow copy."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from coterie.data.dataset import RowError
from coterie.data.sources.arrow_copy import ConversionError, convert
from coterie.data.sources.base import FileSource, check_nesting, get_first_line
from coterie.data.sources.class_labels import find_label_features, name_labels
from coterie.data.sources.file_state import read_state
from coterie.data.validation_cache import make_file_stamp, make_key
from coterie.optional_imports import import_optional
from coterie.paths import make_cache_dir

MAX_ROW_BYTES = 2**29
"""The largest row, with the pictures and sounds in it: that of the largest media file."""


class ParquetSource(FileSource):
    """Rows of a Parquet file of any size, with random access; class labels are names.

    Reading one row of Parquet means decompressing its row group. So the file is converted once,
    batch by batch, to an uncompressed Arrow file in coterie's cache folder that is memory-mapped.
    """

    suffixes: ClassVar = (".parquet", ".pq")

    def open(self, split: str) -> None:
        read_state(self.file)  # refuses pipes and devices
        self.copy = get_arrow_copy(self.file)
        schema = open_table(self.copy).schema
        for name in schema.names:
            if schema.names.count(name) > 1:
                count = schema.names.count(name)
                raise ValueError(f"{self.path} has the column {name!r} {count} times: keep one")
        self.labels = find_label_features(read_features(schema.metadata or {}))
        self.floats = [field.name for field in schema if str(field.type) == "float"]

    def __len__(self) -> int:
        return open_table(self.copy).num_rows

    def __getitem__(self, index: int) -> dict[str, Any]:
        found = open_table(self.copy).slice(index, 1)
        if found.nbytes > MAX_ROW_BYTES:
            problem = f"has {found.nbytes} bytes: at most {MAX_ROW_BYTES} are read"
            raise RowError("row", f"{problem}; keep large media in files of their own")
        row = read_row(found)
        for name in self.floats:  # 0.1 in 32 bits is 0.10000000149 in Python's 64
            if row[name] is not None:
                row[name] = float(str(np.float32(row[name])))
        return {name: name_labels(value, self.labels.get(name), name)
                for name, value in row.items()}  # fmt: skip


def read_row(table: Any) -> dict[str, Any]:
    """Return the row of a table of one. Raises RowError for values that Python does not have."""
    try:
        row = table.to_pylist()[0]
    except Exception as error:  # dates out of range, damaged UTF-8, maps with equal keys
        raise RowError("row", f"cannot be read: {get_first_line(error)}") from None
    check_nesting(row)
    return row


def read_features(metadata: Any) -> Any:
    """Return the features that the datasets library has written into a schema's metadata."""
    try:
        return json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):  # of other writers, or damaged
        return {}


@lru_cache(maxsize=16)
def open_table(copy: Path) -> Any:
    """Open the memory-mapped table; cached outside the source, which thus can be pickled."""
    pyarrow, ipc = import_optional("pyarrow", "data"), import_optional("pyarrow.ipc", "data")
    return ipc.open_file(pyarrow.memory_map(str(copy))).read_all()


def get_arrow_copy(path: Path) -> Path:
    """Return the Arrow copy of a file in this state. Raises ValueError if damaged."""
    folder = make_cache_dir() / "rows"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{make_key(make_file_stamp(path))}.arrow"
    if copy.exists():
        return copy
    import_optional("pyarrow", "data")
    part = copy.with_suffix(f".{os.getpid()}.part")
    try:
        convert(str(path), str(part))
        return part.replace(copy)  # atomic, so that an existing copy is complete
    except (ConversionError, OSError) as error:
        # An error of the system has a number; one of Arrow, for a damaged file, has none.
        problem = "is no Parquet file that can be read"
        if getattr(error, "errno", None):
            problem = f"cannot be copied to {part}"
        raise ValueError(f"{path} {problem}: {get_first_line(error)}") from None
    finally:
        part.unlink(missing_ok=True)
