"""`check_writable`: whether the file of `--to` could be written, before what takes long."""

import tempfile
from pathlib import Path

ROOM_BYTES = 2**16
"""What is written to see whether there is room: about the size of a figure."""


def check_writable(file: Path) -> None:
    """Create the file's folder. Raises WriteError, naming the file, if nothing can be put there."""
    from coterie.io import explain_write_errors

    folder = file.expanduser().parent
    with explain_write_errors(file):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(ROOM_BYTES))
