"""What a user pays for the package: the time of its import and the size of its wheel."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def time_imports(one: str, other: str, *, runs: int) -> tuple[float, float]:
    """Median seconds of `python -c "import ..."` of two modules, their runs alternating.

    A first run of each, which may have to compile byte code, does not count.
    """
    seconds: dict[str, list[float]] = {one: [], other: []}
    for _ in range(runs + 1):
        for module, measured in seconds.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
            measured.append(time.perf_counter() - start)
    return median(seconds[one][1:]), median(seconds[other][1:])


def wheel_bytes(root: Path) -> int:
    """Size of the wheel that the project at `root` builds.

    Raises:
        RuntimeError: neither build, hatch nor hatchling is installed, or the build fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            _build_command(folder), cwd=root, capture_output=True, text=True, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise RuntimeError(f"the wheel does not build: {done.stderr.strip() or done.stdout}")
        return wheels[0].stat().st_size


def _build_command(folder: str) -> list[str]:
    if importlib.util.find_spec("build") is not None:
        return [sys.executable, "-m", "build", "--wheel", "--outdir", folder]
    if shutil.which("hatch"):
        return ["hatch", "build", "-t", "wheel", folder]
    if importlib.util.find_spec("hatchling") is not None:
        return [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    raise RuntimeError(
        "the size of the wheel needs a builder: `python -m pip install build`, then try again"
    )
