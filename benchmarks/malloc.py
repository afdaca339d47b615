"""Settings of glibc's malloc, applied before torch loads; torch must not be imported here.

New outputs of 32 MiB and more cost five times their computation in page faults, because glibc
returns such blocks to the kernel at once. Retaining them removes that from every candidate alike.
"""

import os
import sys

SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def settings() -> dict[str, str]:
    """Return the settings of this process; empty if it was started otherwise."""
    return {name: os.environ[name] for name in SETTINGS if name in os.environ}


def restart(module: str) -> None:
    """Restart this process as `python -m module`, unless malloc is set already."""
    if settings().keys() == SETTINGS.keys():
        return
    assert "torch" not in sys.modules, "malloc reads its settings before torch is imported"
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | SETTINGS)
