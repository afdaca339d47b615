"""The file of a task's predictions, in one format for all kinds of task."""

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


@dataclass(frozen=True)
class Predictions:
    """A row for each sample; see `coterie.tasks.predictions.Prediction`."""

    rows: tuple[Prediction, ...]

    def with_statistics(self, statistics: Float[np.ndarray, "samples statistics"]) -> "Predictions":
        """Return the same rows with these statistics."""
        rows = zip(self.rows, statistics.tolist(), strict=True)
        return Predictions(tuple(row | {"statistics": numbers} for row, numbers in rows))

    def save(self, path: Path) -> Path:
        """Write the rows as JSON lines."""
        # In ASCII, because some readers treat U+2028 as the end of a line.
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
    """A task's statistics on the samples that one run was scored on.

    Attributes:
        metric: turns summed statistics into a score.
        samples: a key for each sample, unique among all.
        statistics: a row for each sample.
    """

    metric: Metric
    samples: tuple[str, ...]
    statistics: Float[np.ndarray, "samples statistics"]


def read_scored_samples(tasks: TaskSet, task: str, file: Path) -> ScoredSamples:
    """Read the samples and statistics that a run was scored on.

    Args:
        tasks: of the run.
        task: the name of one.
        file: the task's predictions, see `RunDirectory.predictions_file`.

    Raises ValueError if the run was not evaluated, or the file is damaged.
    """
    rows = Predictions.read(file, tasks.prediction_fields).rows
    scored = tasks.score_predictions(task, rows)
    return ScoredSamples(
        metric=scored.metric,
        samples=tuple(tasks.make_sample_key(row) for row in rows),
        statistics=scored.statistics,
    )
