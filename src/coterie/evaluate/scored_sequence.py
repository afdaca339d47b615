"""`ScoredSequence`: the step x task matrix of a sequence, on all samples and on resamples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coterie.evaluate.estimates import Estimate, Estimates
from coterie.evaluate.forgetting import ByTask, FirstStep, Scores, compute_forward_transfer
from coterie.evaluate.intervals import BootstrapSamples, Interval, estimate, widen
from coterie.evaluate.sequence import TaskSequence
from coterie.evaluate.systems import TaskStatistics, bootstrap_task


@dataclass(frozen=True, kw_only=True)
class ScoredSequence:
    """A sequence's scores after each step; tasks are in the order of `sequence.first_step`.

    Attributes:
        values: [seeds, steps, tasks], NaN where a task was not evaluated after a step.
        draws: [seeds, resamples, steps, tasks].
        untrained: [tasks], of the base model; its draws are [resamples, tasks].
        seed: of the random numbers that stand for seeds.
    """

    sequence: TaskSequence
    values: Scores
    draws: Scores
    untrained: ByTask
    untrained_draws: ByTask
    seed: int = 0

    @cached_property
    def tasks(self) -> list[TaskStatistics]:
        """The tasks' samples after the last step, when all are there."""
        return [self.sequence.tasks[-1][name] for name in self.sequence.first_step]

    @property
    def first(self) -> FirstStep:
        """The step that trained each task first."""
        return np.array(list(self.sequence.first_step.values()))

    @property
    def has_one_unit(self) -> bool:
        """Whether the tasks' scores can be averaged: of one unit and one direction."""
        return len({(e.metric.unit, e.metric.higher_is_better) for e in self.tasks}) == 1

    @cached_property
    def signs(self) -> ByTask:
        """1 for a score of which more is better, and -1 for an error."""
        return np.array([1.0 if each.metric.higher_is_better else -1.0 for each in self.tasks])

    def select_step(self, step: int) -> BootstrapSamples:
        """Return the scores after a step."""
        return self.take(lambda scores: scores[..., step, :])

    def take(self, read: Callable[[Scores], ByTask]) -> BootstrapSamples:
        """Return scores out of the matrix, such as those right after each task's own step."""
        limits = [each.metric.limits for each in self.tasks]
        return self._make(read(self.values), read(self.draws), limits)

    def compare(self, measure: Callable[[Scores], ByTask]) -> BootstrapSamples:
        """Return a measure that is a difference of scores; errors enter as their negatives."""
        values, draws = (measure(scores * self.signs) for scores in (self.values, self.draws))
        return self._make(values, draws, self._difference_limits)

    def compute_forward_transfer(self) -> BootstrapSamples:
        """Return what the steps before a task's own bring it over the untrained model."""
        values, draws = (
            compute_forward_transfer(scores * self.signs, self.first, untrained * self.signs)
            for scores, untrained in (
                (self.values, self.untrained), (self.draws, self.untrained_draws)
            )
        )  # fmt: skip
        return self._make(values, draws, self._difference_limits)

    def score_tasks(self, samples: BootstrapSamples) -> dict[str, Interval]:
        """Return task -> interval of scores that `select_step` or `take` returned."""
        signs = [each.metric.higher_is_better for each in self.tasks]
        found = Estimates(systems=[samples], higher_is_better=signs, seed=self.seed)
        known = np.isfinite(samples.mean)
        names = enumerate(self.sequence.first_step)
        return {name: found.score(0, j) for j, name in names if known[j]}

    def score_differences(self, samples: BootstrapSamples) -> dict[str, Interval]:
        """Return task -> interval of what `compare` returned, of defined tasks."""
        known, names = np.isfinite(samples.mean), enumerate(self.sequence.first_step)
        tasks = {name: np.arange(len(known)) == j for j, name in names if known[j]}
        return {n: estimate_mean([samples], kept, self.seed).interval for n, kept in tasks.items()}

    @property
    def _difference_limits(self) -> list[tuple[float, float]]:
        limits = (each.metric.limits for each in self.tasks)
        return [(low - high, high - low) for low, high in limits]

    def _make(
        self, values: ByTask, draws: ByTask, limits: Sequence[tuple[float, float]]
    ) -> BootstrapSamples:
        return BootstrapSamples(
            values=values, draws=draws, limits=tuple(limits),
            samples=tuple(len(each.samples) for each in self.tasks),
            scales=tuple(each.metric.get_score_range() for each in self.tasks),
        )  # fmt: skip


def estimate_mean(systems: Sequence[BootstrapSamples], kept: np.ndarray, seed: int = 0) -> Estimate:
    """Estimate the mean over the tasks that are `kept`; of two systems, the first's minus theirs.

    Steps of a seed are correlated, and the variance between seeds is that of what `systems` hold,
    such as each seed's forgetting.
    """
    signs = (1.0, -1.0)[: len(systems)]
    weights = np.outer(signs, kept / kept.sum())
    pairs = list(zip(systems, signs, strict=True))
    value = float(sum(sign * each.mean[kept].mean() for each, sign in pairs))
    draws = sum((sign * each.mean_draws[:, kept].mean(1) for each, sign in pairs), np.zeros(1))
    found = widen(value, draws, estimate(systems, weights), seed=seed)
    # Ends of the scale, which widened draws can pass.
    low, high = (np.mean([each[end] for each in systems[0].limits]) for end in (0, 1))
    if len(systems) > 1:
        low, high = low - high, high - low
    return Estimate(value=value, draws=np.clip(found, low, high))


def bootstrap_sequences(
    sequences: Sequence[TaskSequence], *, resamples: int, seed: int
) -> list[ScoredSequence]:
    """Score all steps and seeds of all sequences, which have the same tasks, on the same resamples.

    Raises ValueError if a task's samples differ.
    """
    names = list(sequences[0].first_step)
    scored = [_make_empty(each, len(names), resamples, seed) for each in sequences]
    for j, task in enumerate(names):
        models = {
            (number, step): statistics[task]
            for number, each in enumerate(sequences)
            for step, statistics in enumerate((each.untrained, *each.tasks), -1)
            if task in statistics
        }
        _check_samples(task, sequences, models)
        found = bootstrap_task(task, list(models.values()), resamples=resamples, seed=seed)
        for (number, step), (values, draws) in zip(models, found, strict=True):
            held = scored[number]
            if step < 0:
                held.untrained[j], held.untrained_draws[:, j] = values[0], draws[0]
            else:
                held.values[:, step, j], held.draws[:, :, step, j] = values, draws
    return scored


def _make_empty(sequence: TaskSequence, tasks: int, resamples: int, seed: int) -> ScoredSequence:
    seeds, steps = len(sequence.seeds), len(sequence.steps)
    return ScoredSequence(
        sequence=sequence, seed=seed,
        values=np.full((seeds, steps, tasks), np.nan),
        draws=np.full((seeds, resamples, steps, tasks), np.nan),
        untrained=np.full(tasks, np.nan), untrained_draws=np.full((resamples, tasks), np.nan),
    )  # fmt: skip


def _check_samples(
    task: str,
    sequences: Sequence[TaskSequence],
    models: Mapping[tuple[int, int], TaskStatistics],
) -> None:
    (first, _), wanted = next(iter(models.items()))
    name = sequences[first].name
    for (number, step), scored in models.items():
        if scored.samples != wanted.samples:
            where = f"{sequences[number].name!r}, step {step + 1}" if step >= 0 else "untrained"
            raise ValueError(
                f"{where} and {name!r} scored different samples of {task!r} "
                f"({len(scored.samples)} and {len(wanted.samples)}): evaluate all steps on the "
                "same rows, with the same limit"
            )
