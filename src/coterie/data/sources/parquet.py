"""Rows of a Parquet file, read from a memory-mapped Arrow copy."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from coterie.data.sources.base import RowSource, get_first_line
from coterie.data.validation_cache import make_file_stamp, make_key
from coterie.optional_imports import import_optional
from coterie.paths import make_cache_dir

BATCH_ROWS = 1000


class ParquetSource(RowSource):
    """Rows of a Parquet file of any size, with random access.

    Reading one row of Parquet means decompressing its row group. So the file is converted once,
    batch by batch, to an uncompressed Arrow file in coterie's cache folder that is memory-mapped.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.folder = path.name, path.parent
        self.copy = get_arrow_copy(path)

    def __len__(self) -> int:
        return open_table(self.copy).num_rows

    def __getitem__(self, index: int) -> dict[str, Any]:
        return open_table(self.copy).slice(index, 1).to_pylist()[0]


@lru_cache(maxsize=16)
def open_table(copy: Path) -> Any:
    """Open the memory-mapped table; cached outside the source, which thus can be pickled."""
    pyarrow, ipc = import_optional("pyarrow", "data"), import_optional("pyarrow.ipc", "data")
    return ipc.open_file(pyarrow.memory_map(str(copy))).read_all()


def get_arrow_copy(path: Path) -> Path:
    """Return the Arrow copy of a file of this size and time. Raises ValueError if damaged."""
    folder = make_cache_dir() / "rows"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{make_key(make_file_stamp(path))}.arrow"
    if copy.exists():
        return copy
    pyarrow, ipc = import_optional("pyarrow", "data"), import_optional("pyarrow.ipc", "data")
    part = copy.with_suffix(f".{os.getpid()}.part")
    try:
        with import_optional("pyarrow.parquet", "data").ParquetFile(path, memory_map=True) as file:
            with ipc.new_file(str(part), file.schema_arrow) as writer:
                for batch in file.iter_batches(batch_size=BATCH_ROWS):
                    writer.write_batch(batch)
        return part.replace(copy)  # atomic, so that an existing copy is complete
    except (pyarrow.ArrowException, OSError) as error:
        # An error of the system has a number; one of Arrow, for a damaged file, has none.
        problem = "is no Parquet file that can be read"
        if getattr(error, "errno", None):
            problem = f"cannot be copied to {part}"
        raise ValueError(f"{path} {problem}: {get_first_line(error)}") from None
    finally:
        part.unlink(missing_ok=True)
