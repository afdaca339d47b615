"""The log of a run: sums between two records, and a file that a resumed run continues."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from coterie import distributed as together
from coterie.io import read_json_lines, replace_non_finite
from coterie.routing.usage import UsageStatistics
from coterie.tasks.losses import TaskLossSums
from coterie.train.run_directory import RunDirectory


class RunningSums:
    """Sums since the last record, on the device, so that no step synchronises with the CPU."""

    def __init__(self, tasks: int, routing_losses: int, device: torch.device) -> None:
        # Devices of type "mps" have no float64.
        self.options = {
            "device": device, "dtype": torch.float32 if device.type == "mps" else torch.float64
        }  # fmt: skip
        self.sizes = {"loss": 1, "sums": tasks, "counts": tasks, "routing": routing_losses}
        self.clear()

    def clear(self) -> None:
        """Set all sums to zero."""
        self.sums = {k: torch.zeros(n, **self.options) for k, n in self.sizes.items()}

    def add(self, loss: Tensor, found: TaskLossSums, routing: Sequence[Tensor]) -> None:
        """Add one part of a step: its share of the loss, and of each routing loss."""
        self.sums["loss"] += loss.detach()
        self.sums["sums"] += found.sums.detach()
        self.sums["counts"] += found.counts
        if routing:
            self.sums["routing"] += torch.stack([each.detach() for each in routing])

    def compute_totals(self) -> dict[str, list[float]]:
        """Sum over all processes; loss and routing losses, which are equal in all, are averaged."""
        tensors = self.sums
        if together.is_initialized():
            tensors = {name: values.clone() for name, values in tensors.items()}
            for name, values in tensors.items():
                distributed.all_reduce(values)
                if name in ("routing", "loss"):
                    values /= distributed.get_world_size()
        return {name: values.tolist() for name, values in tensors.items()}


class MetricLog:
    """Writes records to the log of a run, and measures the training time over all resumes."""

    def __init__(self, folder: Path, *, step: int, time_s: float) -> None:
        """Remove the records after `step`, and an incomplete last line."""
        self.path = RunDirectory(folder).log_file
        self.previous_time_s = time_s
        self.start_time = time.monotonic()
        truncate_log(self.path, step)

    def start(self) -> None:
        """Start measuring time, which excludes loading."""
        self.start_time = time.monotonic()

    def get_time_s(self) -> float:
        """Return the seconds of training so far."""
        return self.previous_time_s + time.monotonic() - self.start_time

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; non-finite numbers become null, as JSON has no NaN."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(replace_non_finite(record)) + "\n")


def truncate_log(path: Path, step: int) -> None:
    """Remove all lines after `step`, and incomplete ones."""
    if not path.is_file():
        return
    lines = [json.dumps(each) for each in read_json_lines(path) if each["step"] <= step]
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    partial.replace(path)


def flatten_for_trackers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return a record's numbers by the names that logging integrations use.

    These are "task_loss/ocr", "use/ocr/2_of_4" (the expert's mean weight, mean over layers),
    "information/LAYER" and "information/mean" (over layers).
    """
    found: dict[str, float] = {}
    for key, value in record.items():
        if key == "use":
            found |= _flatten_usage(value)
        elif key == "information":
            found["information/mean"] = sum(value.values()) / len(value)
            found |= {f"information/{layer}": nats for layer, nats in value.items()}
        elif isinstance(value, Mapping):
            found |= {f"{key}/{name}": each for name, each in value.items()}
        elif isinstance(value, int | float):
            found[key] = value
    return {key: value for key, value in found.items() if key != "step"}


def _flatten_usage(use: UsageStatistics) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for statistics in use.values():
        for task, weights in statistics["mean_weight"].items():
            for expert, weight in enumerate(weights):
                found.setdefault(f"use/{task}/{expert}_of_{len(weights)}", []).append(weight)
    return {key: sum(values) / len(values) for key, values in found.items()}
