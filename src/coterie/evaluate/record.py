"""What a run's folder holds of one task: its samples, and what the task's metric adds up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from coterie.evaluate.predictions import Predictions, file_of, folder_of
from coterie.evaluate.scored_pictures import ScoredPictures
from coterie.metrics.base import Measure
from coterie.train.run import Run


@dataclass(frozen=True, kw_only=True)
class Record:
    """One task as one run has it.

    Attributes:
        metric: turns summed statistics into a score.
        samples: a line for each, which tells it from all others.
        statistics: a row a sample.
    """

    metric: Measure
    samples: tuple[str, ...]
    statistics: Float[np.ndarray, "samples statistics"]

    @classmethod
    def read(cls, run: Run, task: str, split: str, control: str) -> "Record":
        """That of a run which was evaluated. ValueError if it was not, or files are damaged."""
        file = file_of(folder_of(run.folder, split, control), task)
        read = _of_words if run.plan.pictures is None else _of_pictures
        return read(run, task, file)


def _of_words(run: Run, name: str, file: Path) -> Record:
    predictions = Predictions.read(file)
    task = next(task for task in run.plan.tasks if task.name == name)
    metric = predictions.fitted(task.metric)
    return Record(
        metric=metric, samples=predictions.samples(), statistics=predictions.statistics(metric)
    )


def _of_pictures(run: Run, name: str, file: Path) -> Record:
    assert run.plan.pictures is not None
    found = ScoredPictures.read(file)
    task = next(task for task in run.plan.pictures.tasks if task.name == name)
    return Record(metric=task.metric(), samples=found.sources, statistics=found.statistics)
