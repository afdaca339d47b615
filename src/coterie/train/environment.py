"""The environment of a run: machine, device, versions and date, a JSON line for each start."""

import datetime
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from coterie import distributed
from coterie.devices import describe_device
from coterie.io import append_line

PACKAGES = ("coterie", "torch", "transformers", "peft", "numpy")


def append_environment(file: Path, *, step: int, device: torch.device) -> None:
    """Append a line to `RunDirectory.environment_file`; a new run starts at step 0."""
    facts = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "step": step,
        "machine": describe_machine(),
        "device": describe_device(device),
        "processes": distributed.get_world_size(),
        "threads": torch.get_num_threads(),
        "versions": list(get_versions()),
    }
    append_line(file, json.dumps(facts))


def describe_machine() -> str:
    """Return the processor, the number of cores and the operating system."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{get_processor_name()}, {os.cpu_count()} cores, {system}"


def get_processor_name() -> str:
    at = Path("/proc/cpuinfo")
    if sys.platform == "linux" and at.is_file():
        for line in at.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def get_versions() -> Iterator[str]:
    """Yield the versions of Python and of the packages that results depend on."""
    yield f"python {platform.python_version()}"
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"
