"""The plan of a study: every run with its configuration, of equal steps and samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from coterie.file_names import find_colliding
from coterie.recipe import Recipe
from coterie.study.systems import ALONE
from coterie.tasks.task_set import TaskSet
from coterie.train.config import BATCH_SIZE, RunConfig
from coterie.train.datasets import MultiTaskDataset
from coterie.train.run_directory import RunDirectory
from coterie.train.steps import split_steps

CHECKED_ROWS = 20
"""The first rows of a task, among which pictures and sounds are looked for."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run of a system, with a seed; of one task if the system has a run for each."""

    system: str
    folder: Path
    config: RunConfig

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def steps(self) -> int:
        """The optimizer steps."""
        assert self.config.steps is not None
        return self.config.steps

    @property
    def directory(self) -> RunDirectory:
        """The names of the files in its folder."""
        return RunDirectory(self.folder)

    @property
    def is_finished(self) -> bool:
        """Whether it is trained to its end."""
        return self.directory.is_finished


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What is compared on what, and in which folder.

    Attributes:
        systems: name -> recipe; the baseline first.
        settings: of `coterie.train`, for all runs.
    """

    base: str
    tasks: TaskSet
    out: Path
    systems: Mapping[str, Recipe]
    seeds: tuple[int, ...] = (0,)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.tasks.names) < 2:
            raise ValueError(
                f"a study compares ways to train several tasks, and was given "
                f"{', '.join(self.tasks.names)}: give two or more"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds={self.seeds}: give one or more, each once and at least 0")

    @cached_property
    def samples(self) -> MultiTaskDataset:
        """The training rows, all of which were checked."""
        return MultiTaskDataset(self.make_config(self.main, self.tasks, seed=self.seeds[0]))

    @property
    def main(self) -> Recipe:
        """The recipe whose length and batch size hold for all: the first mixture."""
        recipes = list(self.systems.values())
        return next((each for each in recipes if each.role == "method"), recipes[-1])

    @property
    def batch_size(self) -> int:
        """Samples of a step, equal in all systems."""
        own = next((stage.batch_size for stage in self.main.stages if stage.batch_size), None)
        return self.settings.get("batch_size") or own or BATCH_SIZE

    @cached_property
    def steps(self) -> int:
        """Steps of a model of all tasks: the given ones, or those of the first mixture."""
        config = self.make_config(self.main, self.tasks, seed=self.seeds[0])
        return sum(stage.steps or 0 for stage in config.resolve_stages(self.samples.sizes))

    @cached_property
    def has_media(self) -> bool:
        """Whether rows have pictures or sounds beside text, so that there is a blind control."""
        if not self.tasks.supports_blind:
            return False
        return any(
            rows[i].get_media()
            for rows in self.samples.datasets
            for i in range(min(len(rows), CHECKED_ROWS))
        )

    @cached_property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs: of each system, with each seed."""
        found = tuple(self._plan_runs())
        names = [run.name for run in found]
        if colliding := find_colliding(names):
            one, other = (found[i] for i in colliding)
            raise ValueError(
                f"two runs would be in the folder {other.name}: of {one.system} on "
                f"{', '.join(one.config.task_names)} with seed {one.config.seed}, and of "
                f"{other.system} on {', '.join(other.config.task_names)} with seed "
                f"{other.config.seed}; rename a task or a recipe"
            )
        return found

    def check(self) -> None:
        """Load all rows. Raises ValueError for those that could not be trained on or scored."""
        config = self.make_config(self.main, self.tasks, seed=self.seeds[0])
        skip, check = config.skip_bad_rows, config.load_sample_check()
        self.tasks.load_datasets("train", skip_bad_rows=skip, sample_check=check)
        self.tasks.load_evaluation_datasets(
            "test", limit=None, blind=False, skip_bad_rows=config.skip_bad_rows,
            sample_check=replace(config, max_length=None).load_sample_check()
        )  # fmt: skip

    def describe(self) -> Iterator[str]:
        """Yield a line on the study, and one on each system."""
        tasks, seeds = ", ".join(self.tasks.names), ", ".join(map(str, self.seeds))
        yield f"study of {len(self.systems)} systems on {tasks}, from {self.base}, in {self.out}"
        for name in self.systems:
            runs = [each for each in self.runs if each.system == name]
            steps = " + ".join(
                str(each.steps) for each in runs if each.config.seed == self.seeds[0]
            )
            done = sum(each.is_finished for each in runs)
            finished = f", {done} of {len(runs)} trained before" if done else ""
            yield f"  {name}: {steps} steps of {self.batch_size} samples, seed {seeds}{finished}"

    def make_config(
        self, recipe: Recipe, tasks: TaskSet, *, seed: int, steps: int | None = None
    ) -> RunConfig:
        """Make the configuration of a run."""
        given = {**self.settings, "seed": seed, "batch_size": self.batch_size}
        if steps is not None:
            given["steps"] = steps
        return RunConfig(recipe=recipe, base=self.base, tasks=tasks, **given)

    def _plan_runs(self) -> Iterator[PlannedRun]:
        names = self.tasks.names
        for system, recipe in self.systems.items():
            for seed in self.seeds:
                suffix = f"-seed{seed}" if seed else ""
                if system != ALONE:
                    config = self.make_config(recipe, self.tasks, seed=seed, steps=self.steps)
                    folder = self.out / f"{system}{suffix}"
                    yield PlannedRun(system=system, folder=folder, config=config)
                    continue
                for name, steps in zip(names, self._split_steps(), strict=True):
                    alone = self.tasks.select((name,))
                    config = self.make_config(recipe, alone, seed=seed, steps=steps)
                    folder = self.out / f"{system}-{name}{suffix}"
                    yield PlannedRun(system=system, folder=folder, config=config)

    def _split_steps(self) -> list[int]:
        """Split the steps so that a task is seen as often alone as together with the others."""
        sizes = self.samples.sizes
        if len(sizes) < len(self.tasks.names):  # every sample has all tasks
            return [self.steps] * len(self.tasks.names)
        if self.steps < len(sizes):
            raise ValueError(
                f"steps={self.steps}: {ALONE} shares them out among models of {len(sizes)} tasks: "
                f"give at least {len(sizes)}"
            )
        config = self.make_config(self.main, self.tasks, seed=self.seeds[0])
        weights = self.tasks.get_sampling_weights()
        shares = config.mix.compute_task_probabilities(sizes, weights)
        return split_steps(self.steps, [max(1, round(1e6 * float(each))) for each in shares])
