"""Run a long experiment in several processes of one thread each, resumable."""

import os
import subprocess
import sys
from pathlib import Path


def in_parts(module: str, out: Path, processes: int) -> None:
    """Run `python -m MODULE --out OUT --processes N --part I` for each part, and wait.

    Raises SystemExit if one of them fails.
    """
    command = [sys.executable, "-m", module, "--out", str(out)]
    command += ["--processes", str(processes), "--part"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, str(part)], env=environment) for part in range(processes)
    ]
    if any([worker.wait() for worker in workers]):
        raise SystemExit("a part of the experiment failed; the same command goes on from there")
