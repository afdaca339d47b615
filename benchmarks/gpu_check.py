"""The check of a machine with a GPU: `python -m benchmarks.gpu_check OUT`, within 8 minutes there.

Tests on the device, the benchmarks in sizes that fill a GPU, and a training, an evaluation and an
extraction of the embedded vision model as a user runs them. Each step is a process of its own: one
that fails or is too slow does not stop the others. Without a GPU the same steps run on the CPU, in
sizes for tests. `make gpu` packs what a machine without a network needs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.command import BENCHMARKS
from benchmarks.provenance import provenance

BUDGET_S = 480.0
"""All steps together, on a GPU; what is left is the limit of each."""
TAIL = 4000
"""Characters of a failed step's output that the result keeps."""
TASKS = "scenes:segmentation,depth,normals,edges,reshading"
SYSTEMS = {
    "dense": (),
    "mod_squad": ("--set", "mlp=16,4", "--set", "attention=null", "--set", "mlp_ratio=4"),
}
COMMAND = "import sys; from coterie_command import main; sys.exit(main())"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step's outcome: `exit_code` is None if it ran out of time; `output` ends its output."""

    name: str
    seconds: float
    exit_code: int | None
    output: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the results")
    parser.add_argument("--only", nargs="*", help="steps to run, of those in the result's file")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    facts = provenance(device)
    file = out / f"gpu-check-{device.type}.json"
    if given.only is None:
        clear(out)
    result: dict[str, Any] = facts | {"steps": find_earlier_steps(file, facts, given.only)}
    deadline = time.monotonic() + (BUDGET_S if on_gpu else 10 * BUDGET_S)
    for name, command in list_steps(out, on_gpu=on_gpu).items():
        if given.only and name not in given.only:
            continue
        step = run(name, command, out, limit_s=deadline - time.monotonic())
        result["steps"].append(asdict(step))
        print(f"{name}: {step.exit_code} after {step.seconds:.0f} s", flush=True)
        result["systems"] = {system: read_run(out / "runs" / system) for system in SYSTEMS}
        # After each step: what came before a machine was taken away is kept.
        file.write_text(json.dumps(result, indent=1) + "\n")
    failed = [step["name"] for step in result["steps"] if step["exit_code"] != 0]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def clear(out: Path) -> None:
    """Remove the log and the runs of an earlier call, which a command does not train over."""
    (out / "log.txt").unlink(missing_ok=True)
    shutil.rmtree(out / "runs", ignore_errors=True)


def find_earlier_steps(
    file: Path, facts: Mapping[str, Any], only: list[str] | None
) -> list[dict[str, Any]]:
    """Return the steps of an earlier call of the same code and machine, without those in `only`."""
    if only is None or not file.is_file():
        return []
    earlier = json.loads(file.read_text())
    if any(earlier[key] != facts[key] for key in ("commit", "hardware")):
        return []
    return [step for step in earlier["steps"] if step["name"] not in only]


def list_steps(out: Path, *, on_gpu: bool) -> Mapping[str, list[str]]:
    """Return name -> command of all steps, in order."""
    pytest = [
        *(sys.executable, "-m", "pytest", "-m", "accelerator", "-q", "--tb=short"),
        # Another machine has other versions, which may warn of other things.
        *("-W", "default", "-p", "no:cacheprovider", "-n", "4" if on_gpu else "2"),
        "tests/accelerator",
    ]
    steps = {"tests": pytest}
    scale = "gpu" if on_gpu else "tiny"
    for name in BENCHMARKS:
        results = str(out / "results")
        steps[name] = [
            *(sys.executable, "-m", "benchmarks", name, "--scale", scale, "--out", results)
        ]
    steps_wanted, batch = ("300", "32") if on_gpu else ("2", "2")
    size = ("--steps", steps_wanted, "--batch-size", batch)
    size += ("--set", "vision.size=112,112")  # eight patches of the backbone each way
    if on_gpu:  # which else waits while one process decodes pictures
        size += ("--workers", "8")
    for system, options in SYSTEMS.items():
        folder = str(out / "runs" / system)
        given = ("--base", "embedded", "--tasks", TASKS, *size, *options, "--out", folder)
        steps[f"train {system}"] = call("train", system, *given)
        steps[f"evaluate {system}"] = call("evaluate", folder)
    cut = str(out / "runs" / "depth")
    steps["extract"] = call("extract", str(out / "runs/mod_squad"), "--task", "depth", "--to", cut)
    return steps


def call(*arguments: str) -> list[str]:
    """Return the command line of a `coterie` command, which a bare machine has not on its path."""
    return [sys.executable, "-c", COMMAND, *arguments]


def run(name: str, command: list[str], out: Path, *, limit_s: float) -> Step:
    start = time.monotonic()
    with (out / "log.txt").open("a") as log:
        log.write(f"\n== {name}\n")
        log.flush()
        begin = log.tell()
        try:
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, timeout=max(1.0, limit_s),
                env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
                check=False,
            )  # fmt: skip
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = None
    with (out / "log.txt").open() as log:
        log.seek(begin)
        said = log.read()
    seconds = round(time.monotonic() - start, 1)
    return Step(name=name, seconds=seconds, exit_code=code, output=said[-TAIL:])


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return a run's settings, device and scores, as far as it has come."""
    scores = folder / "scores.json"
    if not scores.is_file():
        return None
    return {
        "environment": json.loads((folder / "environment.jsonl").read_text().splitlines()[0]),
        "scores": json.loads(scores.read_text()),
    }


if __name__ == "__main__":
    main()
