"""`Scores`: a run's score on each task, with intervals, and its cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coterie.evaluate.estimates import (
    RESAMPLES,
    Estimates,
    SampleStatistics,
    compute_scores,
    make_task_seed,
    resample_sums,
)
from coterie.evaluate.headline import describe_few_samples
from coterie.evaluate.intervals import BootstrapSamples
from coterie.io import read_json, write_json
from coterie.metrics.base import Metric
from coterie.tasks.predictions import EvaluationDataset
from coterie.tasks.task_set import TaskSet
from coterie.train.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task's score.

    Attributes:
        metric: as tasks.yaml writes it.
        score: NaN where the metric is undefined.
        low, high: ends of the 95 % interval over samples.
        unit: "%" for shares in 0 to 100.
        details: further numbers of the metric, such as its value for each nutrient, and how many
            answers could not be parsed.
    """

    metric: str
    score: float
    low: float
    high: float
    samples: int
    higher_is_better: bool
    unit: str
    details: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_statistics(
        cls,
        metric: Metric,
        statistics: SampleStatistics,
        *,
        task: str,
        name: str | None = None,
        resamples: int = RESAMPLES,
    ) -> "TaskScore":
        """Compute the score of a metric's statistics, with its interval; `name` is the metric's.

        The interval is the one that `coterie.compare` gives the same run: the same draws.
        """
        (sums,) = resample_sums([statistics], resamples=resamples, seed=make_task_seed(task))
        samples, higher_is_better = len(statistics), metric.higher_is_better
        drawn = BootstrapSamples(
            values=np.array([[metric.score(statistics.sum(0))]], dtype=np.float64),
            draws=compute_scores(metric, sums)[None, :, None],
            samples=(samples,),
            limits=(metric.limits,),
            scales=(metric.get_score_range(),),
        )
        found = Estimates(systems=[drawn], higher_is_better=[higher_is_better]).score(0, 0)
        return cls(
            metric=str(metric) if name is None else name, unit=metric.unit, samples=samples,
            score=found.value, low=found.low, high=found.high, higher_is_better=higher_is_better,
            details={k: float(x) for k, x in metric.describe(statistics.sum(0)).items()},
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SharedRows:
    """Rows of a split that another split has too, so that their scores are not of new rows.

    Attributes:
        count: how many.
        first: file and row of the first.
        other: where the other split has the first, with its task if that is another.
    """

    count: int
    first: str
    other: str = ""

    @classmethod
    def find(
        cls, tasks: TaskSet, datasets: Sequence[EvaluationDataset], split: str
    ) -> "dict[str, SharedRows]":
        """Find the samples of data sets that a split has too, by task; tasks without some are not.

        The data sets are of another split; of the same all would be found.
        """
        found = tasks.find_shared_samples(datasets, split)
        return {
            task: cls(count=len(shared), first=shared[0].source, other=shared[0].other)
            for task, shared in found.items() if shared
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The result of `coterie.evaluate`.

    Attributes:
        split: which rows were scored.
        cost: see `coterie.evaluate.cost`.
        control: "" for the run itself, "blind" without its images and audio, "untrained" for
            its base model.
        num_skipped: bad rows that were not scored; the run's file of bad rows lists them.
        trained_on: of tasks with rows that training has too, these rows.
        validated_on: of tasks with rows that validation has too, by which the run chose its
            weights, these rows.
    """

    split: str
    tasks: Mapping[str, TaskScore] = field(default_factory=dict)
    cost: Mapping[str, float | int | None] = field(default_factory=dict)
    control: str = ""
    num_skipped: int = 0
    trained_on: Mapping[str, SharedRows] = field(default_factory=dict)
    validated_on: Mapping[str, SharedRows] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """Return the scores as values that JSON can represent."""
        return asdict(self)

    def save(self, path: str | Path) -> Path:
        """Write the scores to a file, or to the scores file of a run's folder; return the file."""
        path = Path(path).expanduser()
        return write_json(RunDirectory(path).scores_file() if path.is_dir() else path, self.dump())

    @classmethod
    def read(cls, path: str | Path) -> "Scores":
        """Read scores from a file, or a run's folder. Raises ValueError if there are none."""
        path = Path(path).expanduser()
        path = RunDirectory(path).scores_file() if path.is_dir() else path
        if not path.is_file():
            raise ValueError(f"{path} is not there: run `coterie evaluate {path.parent}` first")
        data = read_json(path)
        try:
            tasks = {}
            for name, values in data["tasks"].items():
                numbers = {key: values[key] for key in ("score", "low", "high")}
                undefined = {key: math.nan for key in numbers if numbers[key] is None}
                tasks[name] = TaskScore(**values | undefined)
            optional = {key: data[key] for key in ("cost", "control", "num_skipped") if key in data}
            for key in ("trained_on", "validated_on"):
                shared = data.get(key, {})
                optional[key] = {name: SharedRows(**each) for name, each in shared.items()}
            return cls(split=data["split"], tasks=tasks, **optional)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} holds no scores ({error!r}): remove it and evaluate again"
            ) from error

    def list_notes(self) -> list[str]:
        """List what limits the scores: rows that training or validation has, and few samples."""
        notes = [
            f"{task}: {rows.count} of {self.tasks[task].samples} rows of {self.split!r} were "
            f"{use}, the first is {rows.first}{f', as {rows.other}' if rows.other else ''}: the "
            "score is not of new rows; leave them out of one of the two, or give other rows"
            for use, found in self.get_shared_rows().items()
            for task, rows in found.items() if task in self.tasks
        ]  # fmt: skip
        few = describe_few_samples({name: task.samples for name, task in self.tasks.items()})
        return notes + ([few] if few else [])

    def get_shared_rows(self) -> dict[str, Mapping[str, SharedRows]]:
        """Return what else rows were used for -> task -> these rows."""
        return {"trained on": self.trained_on, "validated on": self.validated_on}

    def _repr_markdown_(self) -> str:
        """Show the table in a notebook."""
        return self.to_markdown()

    def __repr__(self) -> str:
        """Format the scores alone: cost and intervals are in `to_markdown`."""
        scores = ", ".join(f"{name} {task.score:.4g}" for name, task in self.tasks.items())
        control = f", control={self.control!r}" if self.control else ""
        return f"Scores(split={self.split!r}{control}: {scores})"

    def to_markdown(self) -> str:
        """Return a table of the tasks, a row each."""
        lines = ["| task | score | 95 % interval | samples | metric |", "|:--|--:|--:|--:|:--|"]
        for name, task in self.tasks.items():
            # Three digits; percents have one decimal.
            form = ".1f" if task.unit == "%" else "#.3g"
            lines.append(
                f"| {name} | {task.score:{form}} | {task.low:{form}} to {task.high:{form}} "
                f"| {task.samples} | {task.metric}, {task.unit or 'no unit'} |"
            )
        lines += ["", *notes] if (notes := self.list_notes()) else []
        for name, task in self.tasks.items():
            if task.details:
                items = [f"{key} {value:.4g}" for key, value in task.details.items()]
                lines += ["", f"{name}: {'; '.join(items)}"]
        if self.num_skipped:
            file = RunDirectory(Path()).bad_rows_file(self.split)
            lines += ["", f"bad rows left out: {self.num_skipped}, in {file}"]
        return "\n".join(lines)
