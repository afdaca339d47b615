"""What a run's folder holds of one task: its samples, and what the task's metric adds up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from coterie.evaluate.predictions import Predictions, get_predictions_file, get_predictions_folder
from coterie.evaluate.scored_pictures import DensePredictions
from coterie.metrics.base import Metric
from coterie.train.run import Run


@dataclass(frozen=True, kw_only=True)
class RunTaskStatistics:
    """One task as one run has it.

    Attributes:
        metric: turns summed statistics into a score.
        samples: a line for each, which tells it from all others.
        statistics: a row a sample.
    """

    metric: Metric
    samples: tuple[str, ...]
    statistics: Float[np.ndarray, "samples statistics"]

    @classmethod
    def read(cls, run: Run, task: str, split: str, control: str) -> "RunTaskStatistics":
        """That of a run which was evaluated. ValueError if it was not, or files are damaged."""
        file = get_predictions_file(get_predictions_folder(run.folder, split, control), task)
        read = _read_text if run.config.pictures is None else _read_dense
        return read(run, task, file)


def _read_text(run: Run, name: str, file: Path) -> RunTaskStatistics:
    predictions = Predictions.read(file)
    task = next(task for task in run.config.tasks if task.name == name)
    metric = predictions.fit_metric(task.metric)
    return RunTaskStatistics(
        metric=metric,
        samples=predictions.list_sample_keys(),
        statistics=predictions.compute_statistics(metric),
    )


def _read_dense(run: Run, name: str, file: Path) -> RunTaskStatistics:
    assert run.config.pictures is not None
    found = DensePredictions.read(file)
    task = next(task for task in run.config.pictures.tasks if task.name == name)
    return RunTaskStatistics(
        metric=task.make_metric(), samples=found.sources, statistics=found.statistics
    )
