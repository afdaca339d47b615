"""Save the result of `coterie demo`: `python -m experiments.demo runs/demo`."""

import argparse
import json
from pathlib import Path

import torch

from benchmarks.provenance import provenance
from coterie.train import Run

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "demo-cpu.json"


def main() -> None:
    """Write the demo's table and diagnosis with their provenance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    config = Run.read(folder / "shared_lora").config
    facts = provenance(torch.device("cpu")) | {
        "seed": config.seed,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "tasks": list(config.task_names),
        "table": json.loads((folder / "table.json").read_text()),
        "conflict": json.loads((folder / "conflict.json").read_text()),
    }
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
