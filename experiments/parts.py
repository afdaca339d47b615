"""Run a long experiment in several processes of one thread each, resumable."""

import fcntl
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.provenance import provenance
from coterie.devices import choose_device
from coterie.io import write_json

Unit = TypeVar("Unit")


def in_parts(module: str, out: Path, processes: int, *options: str) -> None:
    """Run `python -m MODULE --out OUT --processes N OPTIONS --part I` for each part, and wait.

    Raises SystemExit if one of them fails.
    """
    command = [sys.executable, "-m", module, "--out", str(out)]
    command += ["--processes", str(processes), *options, "--part"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, str(part)], env=environment) for part in range(processes)
    ]
    if any([worker.wait() for worker in workers]):
        raise SystemExit("a part of the experiment failed; the same command goes on from there")


def share_work(
    units: Mapping[str, Unit], claims: Path, run: Callable[[Unit], None], until: float = 1e18
) -> None:
    """Run the units that no other process runs or has finished; start none after `until`.

    `claims` has a file per unit, locked while it runs: a unit that was stopped is run again.
    Raises SystemExit, when all others are done, if some failed.
    """
    failed = []
    claims.mkdir(parents=True, exist_ok=True)
    for name, unit in units.items():
        if time.time() > until:
            break
        with (claims / name.replace("/", "+")).open("a+") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            claim.seek(0)
            if claim.read():
                continue
            start = time.time()
            try:
                run(unit)
            except Exception:  # the other units are of use without it
                traceback.print_exc()
                failed.append(name)
                continue
            claim.write(f"{time.time() - start:.0f} s\n")
            print(f"{name}: {time.time() - start:.0f} s", flush=True)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the same command tries them again")


def write_provenance(out: Path) -> None:
    """Write commit, machine and versions into an experiment's folder, unless they are there.

    A result can be put together on another machine.
    """
    file = out / "provenance.json"
    if not file.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, provenance(choose_device()))


def read_provenance(out: Path) -> dict[str, Any]:
    return json.loads((out / "provenance.json").read_text(encoding="utf-8"))
