"""`MetricLog`: the log of a run, a JSON line a record; a resumed run continues it."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie import distributed
from coterie.io import append_line, read_json_lines, replace_non_finite, write
from coterie.routing.usage import UsageStatistics
from coterie.train.run_directory import RunDirectory


class MetricLog:
    """Writes records to the log of a run, and measures the training time over all resumes."""

    def __init__(
        self, folder: Path, *, step: int, time_s: float, digest: str | None = None
    ) -> None:
        """Remove the records after `step`, and an incomplete last line, on rank 0, which writes.

        `digest` is what `compute_digest` returned at that step: a message says if records were
        lost or changed since.
        """
        self.path = RunDirectory(folder).log_file
        self.previous_time_s = time_s
        self.start()
        if not distributed.is_rank_zero():
            return
        if self.path.is_file():
            kept = [each for each in read_json_lines(self.path) if _has_step(each, step)]
            write(self.path, "".join(f"{json.dumps(each)}\n" for each in kept))
        if digest not in (None, self.compute_digest()):
            distributed.print_message(
                f"{self.path} was damaged: records up to step {step} are missing or not as they "
                "were written; training itself does not depend on them"
            )

    def compute_digest(self) -> str:
        """Compute the digest of the log as it is now; that of nothing if there is no file."""
        content = self.path.read_bytes() if self.path.is_file() else b""
        return hashlib.sha256(content).hexdigest()

    def start(self) -> None:
        """Start measuring time, which excludes loading."""
        self.start_time = time.monotonic()

    def get_time_s(self) -> float:
        """Return the seconds of training so far."""
        return self.previous_time_s + time.monotonic() - self.start_time

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; non-finite numbers become null, as JSON has no NaN."""
        append_line(self.path, json.dumps(replace_non_finite(record)))


def _has_step(record: Mapping[str, Any], last: int) -> bool:
    """Return whether a record is one of training, and not after a step."""
    step = record.get("step")
    return type(step) is int and step <= last


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
