"""What a run's folder holds of one task: its samples, and what the task's metric adds up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from coterie.evaluate.predictions import Predictions, get_predictions_file, get_predictions_folder
from coterie.evaluate.scored_pictures import DensePredictions
from coterie.metrics.base import Metric
from coterie.tasks.dense.task_set import DenseTasks
from coterie.tasks.text.task_set import TextTasks
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
        read = _read_dense if isinstance(run.config.tasks, DenseTasks) else _read_text
        return read(run, task, file)


def _read_text(run: Run, name: str, file: Path) -> RunTaskStatistics:
    tasks = run.config.tasks
    assert isinstance(tasks, TextTasks)
    predictions = Predictions.read(file)
    task = next(task for task in tasks.tasks if task.name == name)
    metric = predictions.fit_metric(task.metric)
    return RunTaskStatistics(
        metric=metric,
        samples=predictions.list_sample_keys(),
        statistics=predictions.compute_statistics(metric),
    )


def _read_dense(run: Run, name: str, file: Path) -> RunTaskStatistics:
    tasks = run.config.tasks
    assert isinstance(tasks, DenseTasks)
    found = DensePredictions.read(file)
    task = next(task for task in tasks.dataset.tasks if task.name == name)
    return RunTaskStatistics(
        metric=task.make_metric(), samples=found.sources, statistics=found.statistics
    )
