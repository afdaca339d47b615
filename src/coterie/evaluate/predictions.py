"""The file of a task's predictions: what was asked, answered and wanted, row by row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from coterie.data.sample import TextSample
from coterie.io import write
from coterie.metrics.base import TextMetric
from coterie.train.run_directory import RunDirectory


def get_predictions_file(folder: Path, task: str) -> Path:
    """A task's predictions. ValueError for a task whose name would lead to another folder."""
    if Path(task).name != task:
        raise ValueError(f"task {task!r} cannot name a file: leave slashes out of its name")
    return folder / f"{task}.jsonl"


def get_predictions_folder(run: str | Path, split: str, control: str = "") -> Path:
    """Where a run's predictions are; those of a control are beside them."""
    return RunDirectory(Path(run)).predictions_folder(split, control)


@dataclass(frozen=True)
class Predictions:
    """Rows with "source", "question", "prediction", "answers" and "statistics"."""

    rows: tuple[dict[str, Any], ...]

    @classmethod
    def from_answers(
        cls, samples: Sequence[TextSample], answers: Sequence[str], metric: TextMetric
    ) -> "Predictions":
        """The rows of samples and the model's answers to them."""
        rows = tuple(
            {
                "source": sample.source,
                "question": sample.get_last_user_text(),
                "prediction": answer,
                "answers": list(sample.answers),
            }
            for sample, answer in zip(samples, answers, strict=True)
        )
        return cls(rows).with_metric(metric)

    def list_sample_keys(self) -> tuple[str, ...]:
        """A line for each sample: what was asked and wanted, and where the row stands.

        The folder of the file is left out, for runs may come from several machines.
        """
        return tuple(
            json.dumps([Path(row["source"]).name, row["question"], row["answers"]])
            for row in self.rows
        )

    def fit_metric(self, metric: TextMetric) -> TextMetric:
        """The metric with what it must know of all the answers."""
        return metric.fit(tuple(row["answers"]) for row in self.rows)

    def compute_statistics(self, metric: TextMetric) -> Float[np.ndarray, "samples statistics"]:
        """What a fitted metric adds up; computed anew, so that a changed one needs no model."""
        return np.stack(
            [metric.statistics(row["prediction"], tuple(row["answers"])) for row in self.rows]
        ).astype(np.float64)

    def with_metric(self, metric: TextMetric) -> "Predictions":
        """The same answers with `metric`'s statistics."""
        found = self.compute_statistics(self.fit_metric(metric))
        return Predictions(
            tuple(
                row | {"statistics": numbers.tolist()}
                for row, numbers in zip(self.rows, found, strict=True)
            )
        )

    def save(self, path: Path) -> Path:
        """Writes the rows, one a line."""
        # In ASCII, for some readers take U+2028 for the end of a line.
        lines = (json.dumps(row, allow_nan=False) for row in self.rows)
        return write(path, "".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """The rows of a file. ValueError if it is missing or damaged."""
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `coterie evaluate` on its run again")
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                _ = row["source"], row["question"], row["prediction"], row["answers"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}:{number} is damaged ({error!r}): remove the file and evaluate again"
                ) from error
            rows.append(row)
        return cls(tuple(rows))
