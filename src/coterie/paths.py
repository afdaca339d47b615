"""The cache folder of downloads: `$COTERIE_HOME`, or `.cache/coterie` in the user's home."""

import os
import tempfile
from pathlib import Path

ENVIRONMENT_VARIABLE = "COTERIE_HOME"


def get_cache_dir() -> Path:
    """Return the cache folder; it need not exist, and may be read-only."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    folder = Path(named) if named else Path.home() / ".cache" / "coterie"
    return folder.expanduser().absolute()


def make_cache_dir() -> Path:
    """Create and return the cache folder. Raises ValueError if it cannot be written."""
    folder = get_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror}): set {ENVIRONMENT_VARIABLE} to a "
            "folder that can hold about 3 GB, and run it again"
        ) from error
    return folder
