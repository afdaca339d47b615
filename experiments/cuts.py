"""Single-task models cut out of the Mod-Squad runs of `experiments.dense`: part of `make dense`.

Which experts a task uses is measured on validation pictures, with Mod-Squad's own threshold and
others; scores are of the test pictures of the experiment. The result is
benchmarks/results/cuts-cpu.json.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

import coterie
from benchmarks.provenance import provenance
from coterie.extract.keeping import Pruning
from coterie.extract.score_curve import score_curve
from experiments.dense import LIMIT, SEEDS, TASKS

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "cuts-cpu.json"
THRESHOLDS = (0.0, 0.03, 0.1, 0.3, 1.0)
"""0 drops what is never chosen, 0.03 is Mod-Squad's, 1 leaves few more than a token uses."""


def cut(run: coterie.Run, task: str) -> dict[str, Any]:
    """The curve of a task, and what the checkpoint at threshold 0 says of itself."""
    found = score_curve(run, task=task, thresholds=THRESHOLDS, limit=LIMIT).dump()
    with tempfile.TemporaryDirectory() as folder:
        written = coterie.extract(
            run, task=task, to=Path(folder) / task, pruning=Pruning(threshold=0.0), use="validation"
        )
        said = json.loads((written / "coterie_extract.json").read_text())
    return found | {"extracted": said}


def main() -> None:
    """Cuts every task out of every run that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/dense"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for seed in SEEDS:
        run = coterie.Run.read(arguments.out / "mod_squad" / f"seed-{seed}")
        found[seed] = {task: cut(run, task) for task in TASKS}
        for task, one in found[seed].items():
            print(seed, task, one["whole"]["score"])
            for point in one["points"]:
                print(f"   {point['threshold']:g} {point['share']:.1%} {point['points_worse']:.2f}")
    facts = provenance(torch.device("cpu")) | {"thresholds": THRESHOLDS, "cuts": found}
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
