"""`check`: check a base model and the rows of tasks before training, with one batch."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from coterie.devices import choose_device, choose_precision
from coterie.recipe import Recipe
from coterie.task_file import find_tasks
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.task_set import TaskSet
from coterie.tasks.text.task import TextTask
from coterie.train.config import RunConfig
from coterie.train.named_recipes import find_recipe
from coterie.train.settings import TrainSettings

SCORED_SPLITS = {"validation": ("train",), "test": ("train", "validation")}
"""Split -> the splits whose rows it should not have."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What `coterie.check` found; printed as `coterie check` prints it.

    Attributes:
        config: the run that was checked.
        summaries: of each split of each task.
        notices: what is no error, but may not be meant.
        batch: the loss and memory of one batch; None if none was tried.
        problem: why no batch could be tried; empty if it was, or was not asked for.
    """

    config: RunConfig
    summaries: tuple[SplitSummary, ...]
    notices: tuple[str, ...] = ()
    batch: Any = None
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the run can be trained as it is: no row is bad, and the batch has a loss."""
        return not self.problem and all(each.is_good for each in self.summaries)

    def __str__(self) -> str:
        return "\n".join(self._list_lines())

    def _list_lines(self) -> Iterator[str]:
        yield f"base {self.config.base}"
        for each in self.summaries:
            yield from format_summary(each, self.config.max_length)
        for task in dict.fromkeys(each.tasks for each in self.summaries):
            yield from format_bad_rows([each for each in self.summaries if each.tasks == task])
        yield from (f"note: {notice}" for notice in self.notices)
        if self.batch is not None:
            count, loss = self.batch.num_samples, self.batch.loss
            yield f"one batch of {count} samples: the loss is {loss:.4f}"
            yield self.batch.describe()
        if self.problem:
            yield self.problem
        good = "can be trained on" if self.is_good else "mend what is bad, or see --skip-bad-rows"
        yield f"{'good' if self.is_good else 'bad'}: {good}"


def check(
    base: str | Path,
    tasks: TaskSet | TextTask | Sequence[TextTask] | DenseDataset | str | Path,
    recipe: Recipe | str | Path | None = None,
    *,
    tries_batch: bool = True,
    device: str | torch.device | None = None,
    **settings: Unpack[TrainSettings],
) -> CheckResult:
    """Check all that training would stop at: the base model, all rows, and one batch.

    The base is first. Every row of every split is read and checked by the model's chat template
    and processor, `max_length` and the model's context length.

    Args:
        base: as in `coterie.train`.
        tasks: as in `coterie.train`.
        recipe: whose memory is estimated; None for `shared_lora`, or `dense` for dense tasks.
        tries_batch: load the weights and run one batch of the longest samples.
        device: see `coterie.devices.choose_device`; None for an accelerator where there is one.
        settings: as in `coterie.train`.

    Raises ValueError if the base model cannot be loaded, or a setting does not fit.
    """
    tasks, chosen = find_tasks(tasks), choose_device(device)
    settings.setdefault("precision", choose_precision(chosen))
    recipe = find_recipe(recipe or tasks.default_recipe)
    config = RunConfig(recipe=recipe, base=str(base), tasks=tasks, **settings)
    return check_config(config, tries_batch=tries_batch, device=chosen)


def check_config(
    config: RunConfig, *, tries_batch: bool = True, device: torch.device | None = None
) -> CheckResult:
    """Check a complete configuration; see `check`."""
    sample_check = config.load_sample_check()  # a wrong base is told first
    # Weights that are missing are told before rows are read, too.
    base = config.load_base(device) if tries_batch else None
    summaries = tuple(config.tasks.summarize(sample_check))
    notices = [*(notice for each in summaries for notice in each.notices)]
    notices += [*config.tasks.list_notices(()), *list_overlaps(config.tasks)]
    found = CheckResult(config=config, summaries=summaries, notices=tuple(dict.fromkeys(notices)))
    if base is None or any(each.problem for each in summaries if each.split == "train"):
        return found
    # Slow to import: accelerate.
    from coterie.train.batch_trial import try_batch
    from coterie.train.datasets import MultiTaskDataset

    try:
        samples = MultiTaskDataset(replace(config, skip_bad_rows=True), sample_check)
        return replace(found, batch=try_batch(config, base, samples))
    except ValueError as error:
        return replace(found, problem=f"no batch: {error}")


def list_overlaps(tasks: TaskSet) -> Iterator[str]:
    """Yield a notice for each task with rows of a split that another split has, too."""
    for split, others in SCORED_SPLITS.items():
        with suppress(ValueError, OSError):  # there is no such split
            datasets = tasks.select_with(split).load_evaluation_datasets(
                split, limit=None, blind=False, skip_bad_rows=True
            )
            for other in others:
                for task, shared in tasks.find_shared_samples(datasets, other).items():
                    if shared:
                        source, its = shared[0]
                        yield (
                            f"task {task!r}: {len(shared)} rows of {split!r} are rows of "
                            f"{other!r}, too; the first, {source}, is {its}: scores are not of new "
                            "rows; leave these rows out of one of the two"
                        )


def format_summary(summary: SplitSummary, max_length: int | None) -> Iterator[str]:
    """Yield the lines of one split of a task."""
    bad = f", {len(summary.bad_rows)} bad rows" if summary.bad_rows else ""
    media = "".join(f", {count} {name}" for name, count in summary.media_counts.items())
    samples = f"{summary.num_samples} sample{'s' * (summary.num_samples != 1)}"
    yield f"{', '.join(summary.tasks)} {summary.split}: {samples}{media}{bad}"
    if lengths := summary.describe_lengths(max_length):
        yield f"  tokens: {lengths}"
    yield from (f"  {name}: {score}" for name, score in summary.scores.items())


def format_bad_rows(summaries: Sequence[SplitSummary]) -> Iterator[str]:
    """Yield the bad rows of a task's splits, each once, and why a split has no rows."""
    rows = dict.fromkeys(str(row) for each in summaries for row in each.bad_rows)
    yield from (f"  {row}" for row in rows)
    yield from dict.fromkeys(each.problem for each in summaries if each.problem)
