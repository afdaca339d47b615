"""Conversion of Parquet files to Arrow files, of large values in a process of its own.

This file is run as a script by that process, so it imports nothing of coterie.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

BATCH_ROWS = 1000
SMALL_CHUNK_BYTES = 2**20
"""A column of a row group of at most so many bytes, unpacked, is read in batches of BATCH_ROWS:
even if each row repeats its largest value, a batch is below 1 GB. Of a larger one, fewer rows."""
SAFE_CHUNK_BYTES = 2**26
"""A larger one may be a single value, and is converted under MAX_MEMORY_BYTES."""
MAX_MEMORY_BYTES = 3 * 2**29
"""1.5 GiB: the most memory that a conversion may take in its own process."""


class ConversionError(Exception):
    """A file that cannot be converted, with the reason in one line."""


def convert(path: str, copy: str) -> None:
    """Write the rows of a Parquet file to an Arrow file, batch by batch.

    Raises ConversionError for a damaged file, and OSError for one that cannot be read or written.
    """
    pyarrow = import_module("pyarrow")
    try:
        largest = find_largest_chunk(path)
    except pyarrow.ArrowException as error:
        raise ConversionError(str(error)) from None
    if largest <= SAFE_CHUNK_BYTES:
        convert_here(path, copy, largest)
    else:
        convert_in_process(path, copy)


def find_largest_chunk(path: str) -> int:
    """Return the unpacked bytes of the largest column of a row group, by the file's footer."""
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetFile(path, memory_map=True) as file:
        metadata = file.metadata
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        return max((group.column(j).total_uncompressed_size
                    for group in groups for j in range(group.num_columns)), default=0)  # fmt: skip


def convert_here(path: str, copy: str, largest: int) -> None:
    """Convert a file in this process."""
    pyarrow, ipc = import_module("pyarrow"), import_module("pyarrow.ipc")
    rows = max(1, min(BATCH_ROWS, BATCH_ROWS * SMALL_CHUNK_BYTES // max(largest, 1)))
    try:
        with import_module("pyarrow.parquet").ParquetFile(path, memory_map=True) as file:
            with ipc.new_file(copy, file.schema_arrow) as writer:
                for batch in join_batches(file.iter_batches(batch_size=rows)):
                    writer.write_batch(batch)
    except MemoryError:  # Arrow's is one of its own exceptions, too
        raise
    except pyarrow.ArrowException as error:
        raise ConversionError(str(error)) from None


def join_batches(batches: Any) -> Any:
    """Yield batches of about BATCH_ROWS rows, or SAFE_CHUNK_BYTES."""
    pyarrow, kept, rows, size = import_module("pyarrow"), [], 0, 0
    for batch in batches:
        kept, rows, size = [*kept, batch], rows + batch.num_rows, size + batch.nbytes
        if rows >= BATCH_ROWS or size >= SAFE_CHUNK_BYTES:
            yield pyarrow.concat_batches(kept) if len(kept) > 1 else batch
            kept, rows, size = [], 0, 0
    if kept:
        yield pyarrow.concat_batches(kept) if len(kept) > 1 else kept[0]


def convert_in_process(path: str, copy: str) -> None:
    """Convert a file in a new process, which may take MAX_MEMORY_BYTES."""
    command = [sys.executable, "-I", str(Path(__file__).resolve()), path, copy]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise ConversionError(lines[-1])


def limit_memory() -> None:
    """Limit this process to MAX_MEMORY_BYTES, where the system can."""
    if sys.platform != "win32":
        resource = import_module("resource")
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def main(path: str, copy: str) -> int:
    """Convert a file under the limit; the status, with a line on standard error, is the result."""
    import_module("pyarrow").set_cpu_count(1)
    limit_memory()
    try:
        convert_here(path, copy, find_largest_chunk(path))
    except MemoryError:
        need = f"needs more than {MAX_MEMORY_BYTES} bytes of memory to be unpacked"
        print(f"{need}: one of its values may be of gigabytes; write fewer rows into a row group, "
              "and large files beside it", file=sys.stderr)  # fmt: skip
        return 1
    except Exception as error:
        print(" ".join(str(error).split())[:500], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
