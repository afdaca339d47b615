"""What glibc's malloc is told before torch loads; torch must not be imported here.

Fresh outputs of 32 MiB and more cost five times their work in page faults, because glibc hands
such blocks back to the kernel at once. Kept blocks take that out of every candidate's time alike.
"""

import os
import sys

SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def settings() -> dict[str, str]:
    """The settings that hold in this process; none are told from a process started otherwise."""
    return {name: os.environ[name] for name in SETTINGS if name in os.environ}


def restart(module: str) -> None:
    """Starts `python -m module` again in place of this process, unless malloc is set already."""
    if settings().keys() == SETTINGS.keys():
        return
    assert "torch" not in sys.modules, "malloc reads its settings before torch is imported"
    command = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | SETTINGS)
