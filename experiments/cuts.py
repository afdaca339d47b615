"""Prune single-task models from the Mod-Squad runs of `experiments.dense`: part of `make dense`.

Expert usage is measured on validation images, with Mod-Squad's own threshold and others; scores
are of the test images of the experiment. The result is benchmarks/results/cuts-cpu.json.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import provenance
from coterie.extract.pruning import PruningOptions
from coterie.extract.pruning_curve import measure_score_curve
from experiments import dense
from experiments.dense import LIMIT, TASKS

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "cuts-cpu.json"
SEEDS = dense.SEEDS[:2]
"""Not all: pruning a model at every threshold takes as long as training it."""
KEPT = "cuts.json"
"""The result in a run's folder, which is reused if it exists."""
THRESHOLDS = (0.0, 0.03, 0.1, 0.2, 1.0)
"""0 removes experts that are never chosen, 0.03 is Mod-Squad's, 1 leaves few more than a token
uses."""


def cut(run: coterie.Run, task: str) -> dict[str, Any]:
    """Return the curve of a task, and the report of its checkpoint at threshold 0."""
    found = measure_score_curve(run, task=task, thresholds=THRESHOLDS, limit=LIMIT).dump()
    with tempfile.TemporaryDirectory() as folder:
        written = coterie.extract(
            run,
            task=task,
            to=Path(folder) / task,
            pruning=PruningOptions(threshold=0.0),
            use="validation",
        )
        said = json.loads((written / "coterie_extract.json").read_text())
    return found | {"extracted": said}


def cuts(run: coterie.Run) -> dict[str, Any]:
    """Return the results of every task of a run, computed if they are not stored."""
    file = run.folder / KEPT
    if not file.is_file():
        found = {task: cut(run, task) for task in TASKS}
        facts = provenance(torch.device("cpu"))
        file.write_text(json.dumps({"commit": facts["commit"], "tasks": found}))
    return json.loads(file.read_text())


def main() -> None:
    """Prune every task of every Mod-Squad run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/dense"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folders = [arguments.out / "mod_squad" / f"seed-{seed}" for seed in SEEDS]
    found = [cuts(coterie.Run.read(folder)) for folder in folders]
    for seed, tasks in zip(SEEDS, (one["tasks"] for one in found), strict=True):
        for task, said in tasks.items():
            print(f"{task}, seed {seed}: whole {said['whole']['score']:.4g}")
            for point in said["points"]:
                print(f"   {point['threshold']:g} {point['share']:.1%} {point['points_worse']:.2f}")
    facts = {"seeds": SEEDS, "thresholds": THRESHOLDS, "limit": LIMIT, "cuts": found}
    facts = provenance(torch.device("cpu")) | facts
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
