"""Provenance of a published number: commit, seed, hardware, date and versions."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import malloc
from benchmarks.benchmark import multiplies_bf16

SEED = 0


def provenance(device: torch.device) -> dict[str, object]:
    """Return the provenance at the end of a measurement; torch was seeded with `SEED` before it."""
    packages = ("torch", "transformers", "peft")
    given = os.environ.get("COTERIE_COMMIT")  # of a checkout that was copied to a machine
    return {
        "commit": given or _git("rev-parse", "HEAD"),
        # Results of earlier benchmarks do not change what is measured.
        "dirty": not given
        and _git("status", "--porcelain", "--", ":/", ":!/benchmarks/results") != "",
        "seed": SEED,
        "device": device.type,
        "hardware": _hardware(device),
        "multiplies_bf16": multiplies_bf16(device),
        "threads": torch.get_num_threads(),
        "malloc": malloc.settings(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in packages},
    }


def _git(*arguments: str) -> str | None:
    """Return git's output; None outside of a repository (and before its first commit)."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{models[0] if models else platform.machine()} ({capability})"
