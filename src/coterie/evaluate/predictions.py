"""The file of a task's predictions, one format for all kinds of task, and where it is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from coterie.io import write
from coterie.metrics.base import Metric
from coterie.tasks.predictions import Prediction
from coterie.tasks.task_set import TaskSet


def get_predictions_file(folder: Path, task: str) -> Path:
    """Return a task's file. Raises ValueError for a name that would lead to another folder."""
    if Path(task).name != task:
        raise ValueError(f"task {task!r} cannot name a file: leave slashes out of its name")
    return folder / f"{task}.jsonl"


def get_predictions_folder(run: str | Path, split: str, control: str = "") -> Path:
    """Return the folder of a run's predictions; those of a control have one of their own."""
    return Path(run) / (f"predictions-{control}" if control else "predictions") / split


@dataclass(frozen=True)
class Predictions:
    """A row for each sample; see `coterie.tasks.predictions.Prediction`."""

    rows: tuple[Prediction, ...]

    def with_statistics(self, statistics: Float[np.ndarray, "samples statistics"]) -> "Predictions":
        """Return the same rows with these statistics."""
        rows = zip(self.rows, statistics.tolist(), strict=True)
        return Predictions(tuple(row | {"statistics": numbers} for row, numbers in rows))

    def save(self, path: Path) -> Path:
        """Write the rows, one a line."""
        # In ASCII, for some readers take U+2028 for the end of a line.
        lines = (json.dumps(row, allow_nan=False) for row in self.rows)
        return write(path, "".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, path: Path, fields: Sequence[str] = TaskSet.prediction_fields) -> "Predictions":
        """Read a file whose rows have at least these fields.

        Raises ValueError if it is missing, damaged or empty, or rows differ in their number of
        statistics.
        """
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `coterie evaluate` on its run again")
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                for field in fields:
                    _ = row[field]
                row["statistics"] = [float(each) for each in row["statistics"]]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}:{number} is damaged ({error!r}): remove the file and evaluate again"
                ) from error
            rows.append(row)
        lengths = {len(row["statistics"]) for row in rows}
        if len(lengths) != 1:
            raise ValueError(
                f"{path} has rows of {sorted(lengths) or 'no'} statistics: remove it and evaluate "
                "again"
            )
        return cls(tuple(rows))


class ScoredSamples(NamedTuple):
    """A task as one run was scored on it.

    Attributes:
        metric: turns summed statistics into a score.
        samples: a line for each sample, which tells it from all others.
        statistics: a row a sample.
    """

    metric: Metric
    samples: tuple[str, ...]
    statistics: Float[np.ndarray, "samples statistics"]


def read_scored_samples(tasks: TaskSet, task: str, folder: Path) -> ScoredSamples:
    """Read what a run was scored on.

    Args:
        tasks: of the run.
        task: the name of one.
        folder: see `get_predictions_folder`.

    Raises ValueError if the run was not evaluated, or the file is damaged.
    """
    rows = Predictions.read(get_predictions_file(folder, task), tasks.prediction_fields).rows
    scored = tasks.score_predictions(task, rows)
    return ScoredSamples(
        metric=scored.metric,
        samples=tuple(tasks.make_sample_key(row) for row in rows),
        statistics=scored.statistics,
    )
