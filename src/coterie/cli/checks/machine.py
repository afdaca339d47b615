"""Checks of this machine: processor and number formats, memory, disk and GPUs."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from coterie.cli.checks import Check
from coterie.paths import get_cache_dir

GIB = 1024**3
# Linux's names of the instructions that multiply bfloat16; without them it is emulated.
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
FLAGS = Path("/proc/cpuinfo")


def check_machine() -> Iterator[Check]:
    """Check processor, memory and disk."""
    import psutil

    memory = psutil.virtual_memory()
    details = f"{count_cores()} cores for this process, {platform.machine()}, {platform.system()}"
    yield Check("processor", "ok", details)
    details = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} of them free"
    yield Check("memory", "ok", details)
    free_gib = get_free_disk_bytes(Path.cwd()) / GIB
    yield Check("disk", "ok", f"{free_gib:.1f} GiB free where you are")
    yield Check("bfloat16", "ok", check_bfloat16(read_cpu_flags()))


def check_home() -> Iterator[Check]:
    """Check the folder of downloads and caches."""
    folder = get_cache_dir()
    free_gib = get_free_disk_bytes(folder) / GIB
    yield Check("home", "ok", f"{folder}, {free_gib:.1f} GiB free there")


def count_cores() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1


def get_free_disk_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that a folder is, or would be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def read_cpu_flags() -> set[str] | None:
    """Return the processor's instruction sets; None if the system does not list them."""
    if not FLAGS.is_file():
        return None
    for line in FLAGS.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lower().startswith(("flags", "feat")):
            return set(line.partition(":")[2].split())
    return None


def check_bfloat16(flags: set[str] | None) -> str:
    """Describe whether the processor has instructions for bfloat16."""
    if flags is None:
        return "this system does not say whether the processor has instructions for it"
    if have := sorted(flags & BFLOAT16):
        return f"the processor has instructions for it ({', '.join(have)})"
    return "the processor has no instructions for it, so it is emulated"


def check_library(load: Callable[[], None]) -> Iterator[Check]:
    """Check that the library imports, and list the GPUs that torch sees.

    Args:
        load: imports the library's package, if the entry point did not.
    """
    try:
        import torch

        import coterie

        load()
    except Exception as error:  # any exception of a broken install is reported
        details = f"does not import: {type(error).__name__}: {str(error).strip()}"
        advice = "mend the lines above, or install coterie into a fresh environment"
        yield Check("coterie", "broken", details, advice)
        return
    yield Check("coterie", "ok", f"imports; it lies in {coterie.__path__[0]}")
    count = torch.cuda.device_count()
    for index in range(count):
        card = torch.cuda.get_device_properties(index)
        yield Check(f"gpu {index}", "ok", f"{card.name}, {card.total_memory / GIB:.1f} GiB")
    if not count:
        details = f"none that torch {torch.__version__} can use; models run on the processor"
        yield Check("gpu", "ok", details)
