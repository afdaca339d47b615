"""`MetricLog`: the log of a run, a JSON line a record; a resumed run continues it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie import distributed
from coterie.io import read_json_lines, replace_non_finite, write
from coterie.routing.usage import UsageStatistics
from coterie.train.run_directory import RunDirectory


class MetricLog:
    """Writes records to the log of a run, and measures the training time over all resumes."""

    def __init__(self, folder: Path, *, step: int, time_s: float) -> None:
        """Remove the records after `step`, and an incomplete last line, on rank 0, which writes."""
        self.path = RunDirectory(folder).log_file
        self.previous_time_s = time_s
        self.start()
        if self.path.is_file() and distributed.is_rank_zero():
            kept = [each for each in read_json_lines(self.path) if each["step"] <= step]
            write(self.path, "".join(f"{json.dumps(each)}\n" for each in kept))

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


def flatten_for_trackers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return a record's numbers by the names that logging integrations use.

    These are "task_loss/ocr", "use/ocr/2_of_4" (the expert's mean weight, mean over layers),
    "information/LAYER" and "information/mean" (over layers).
    """
    found: dict[str, float] = {}
    for key, value in record.items():
        if key == "use":
            found |= _flatten_usage(value)
        elif isinstance(value, Mapping):
            if key == "information":
                found["information/mean"] = sum(value.values()) / len(value)
            found |= {f"{key}/{name}": each for name, each in value.items()}
        elif isinstance(value, int | float) and key != "step":
            found[key] = value
    return found


def _flatten_usage(use: UsageStatistics) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for statistics in use.values():
        for task, weights in statistics["mean_weight"].items():
            for expert, weight in enumerate(weights):
                found.setdefault(f"use/{task}/{expert}_of_{len(weights)}", []).append(weight)
    return {key: sum(values) / len(values) for key, values in found.items()}
