"""`Plan`: everything a run is made of, as one frozen value; RUN/recipe.json is its text."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from coterie import serialization
from coterie.data.task_sampling import TaskSampling
from coterie.recipe import RECIPE_FILE, Recipe, Stage
from coterie.tasks.dense.dataset import DenseDataset
from coterie.tasks.dense.frozen_tasks import FrozenTasks
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.tasks.text.task import TextTask

BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A recipe, what it is trained on, and how; equal plans give equal runs, bit for bit on a CPU.

    Attributes:
        recipe: mixtures, losses and stages.
        base: the model: a folder, a hub id, or "embedded".
        tasks: what is answered in words: at least one, with names of their own; the order is that
            of task ids.
        pictures: or else what is learned on pictures: a dense data set with its tasks.
        mix: how the tasks share the batches.
        seed: of weights, order and dropout, at least 0.
        batch_size: samples of an optimizer step, over all devices and parts; None for each
            stage's own, or 8.
        accumulation: in how many parts a step is computed; saves memory and changes nothing else.
        precision: "bfloat16" keeps the frozen weights in bfloat16 and the experts in float32.
        max_length: tokens of a sample at most; longer ones are an error, or left out and counted
            with `skip_bad_rows`. None for no limit.
        steps: optimizer steps over all stages, shared out as the stages' own are; None for those.
        learning_rate: the highest of all stages; the others keep their proportion. None for the
            stages' own.
        max_grad_norm: longer gradients are shortened to this; 0 for never.
        evaluate_every: steps between two looks at the validation rows; None for none but those
            that `patience` needs, ten a stage.
        patience: a stage ends after so many looks without a lower mean of the tasks' validation
            losses, and goes back to its best weights. None for no early stopping.
        validation_limit: rows of a task that are looked at, from the first.
        save_every: steps between two checkpoints, at least 1; the last two are kept.
        log_every: steps between two lines of log.jsonl.
        use_every: lines between two with expert use; 0 for none.
        skip_bad_rows: leave out what cannot be read and write it to bad_rows.jsonl.
        gradient_checkpointing: recompute activations in backward, for less memory.
        report_to: other integrations of transformers' Trainer, such as "wandb".
        vision: for `pictures`, how the base is made a model of them.
        adopts: for `pictures`, a run whose tasks stay as they are; the plan's others learn.
    """

    recipe: Recipe
    base: str
    tasks: tuple[TextTask, ...] = ()
    pictures: DenseDataset | None = None
    mix: TaskSampling = field(default_factory=TaskSampling)
    seed: int = 0
    batch_size: int | None = None
    accumulation: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    max_length: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    evaluate_every: int | None = None
    patience: int | None = None
    validation_limit: int = 200
    save_every: int = 50
    log_every: int = 10
    log_usage_every: int = 5
    skip_bad_rows: bool = False
    gradient_checkpointing: bool = False
    report_to: tuple[str, ...] = ()
    vision: VisionConfig = field(default_factory=VisionConfig)
    adopts: FrozenTasks | None = None

    def __post_init__(self) -> None:
        if self.tasks and self.pictures is not None:
            raise ValueError("a plan has tasks and pictures: give one of them, and train two runs")
        if self.pictures is None and self.vision != VisionConfig():
            raise ValueError(
                "vision says how a model sees a dense data set, and these tasks are answered in "
                "words: leave it out"
            )
        names = list(self.task_names)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"tasks={names}: give at least one task, each with a name of its own")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(
                f"precision={self.precision!r}: allowed are 'float32' and 'bfloat16'; float16 "
                "needs its losses scaled and is not supported"
            )
        if self.adopts is not None:
            # Of tasks in words none can be kept.
            self.adopts.check(names if self.pictures is not None else ())
        self._check_numbers()
        self._check_sizes()
        # A balancing with a weight a task must fit before anything is loaded.
        self.recipe.balancing.build(len(names))

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks' names, in the order of task ids."""
        tasks = self.tasks if self.pictures is None else self.pictures.tasks
        return tuple(task.name for task in tasks)

    @property
    def validates(self) -> bool:
        """Whether validation rows are to be looked at."""
        return self.patience is not None or self.evaluate_every is not None

    def _check_numbers(self) -> None:
        for name, low in MINIMUMS.items():
            value = getattr(self, name)
            if value is not None and not low <= value < math.inf:
                raise ValueError(f"{name}={value}: it must be at least {low}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate}: it must be above 0")
        if self.steps is not None and self.steps < len(self.recipe.stages):
            raise ValueError(
                f"steps={self.steps}: recipe {self.recipe.name!r} has "
                f"{len(self.recipe.stages)} stages, and each needs a step"
            )

    def _check_sizes(self) -> None:
        for stage in self.recipe.stages:
            size = self.get_global_batch_size(stage)
            if size % self.accumulation:
                raise ValueError(
                    f"accumulation={self.accumulation} does not divide the batch size {size} of "
                    f"stage {stage.name!r}: accumulation says in how many parts a batch is computed"
                )

    def get_global_batch_size(self, stage: Stage) -> int:
        """Samples of an optimizer step in `stage`."""
        return self.batch_size or stage.batch_size or BATCH_SIZE

    def resolve_stages(self, sizes: tuple[int, ...]) -> tuple[Stage, ...]:
        """The stages with their `steps` and learning rates as this plan has them.

        Args:
            sizes: training rows of each task.
        """
        wanted = [self._resolve_steps(stage, sizes) for stage in self.recipe.stages]
        if self.steps is not None:
            wanted = split_steps(self.steps, wanted)
        highest = max(stage.learning_rate for stage in self.recipe.stages)
        scale = 1.0 if self.learning_rate is None else self.learning_rate / highest
        return tuple(
            replace(
                stage,
                steps=steps,
                epochs=None,
                learning_rate=stage.learning_rate * scale,
                learning_rates={k: rate * scale for k, rate in stage.learning_rates.items()},
            )
            for stage, steps in zip(self.recipe.stages, wanted, strict=True)
        )

    def _resolve_steps(self, stage: Stage, sizes: tuple[int, ...]) -> int:
        if stage.steps is not None:
            return stage.steps
        assert stage.epochs is not None
        a_pass = self.mix.count_steps_per_epoch(sizes, self.get_global_batch_size(stage))
        return max(1, math.ceil(stage.epochs * a_pass))

    def dumps(self) -> str:
        """The plan as JSON text."""
        return serialization.dumps(self, name="plan")

    @classmethod
    def read(cls, path: str | Path) -> "RunConfig":
        """The plan in a run's recipe.json, or in the folder of a run.

        Raises ValueError if there is none, or it does not load.
        """
        path = Path(path)
        path = path / RECIPE_FILE if path.is_dir() else path
        if not path.is_file():
            raise ValueError(f"{path} is no file: give a run's folder or its {RECIPE_FILE}")
        value = serialization.loads(path.read_text(encoding="utf-8"), name=str(path))
        if not isinstance(value, RunConfig):
            raise ValueError(
                f"{path} holds a {type(value).__name__}, not the plan of a run: a recipe alone "
                "says neither model nor tasks; pass it to coterie.train"
            )
        return value


MINIMUMS = {
    "seed": 0, "batch_size": 1, "accumulation": 1, "max_length": 1, "steps": 1,
    "max_grad_norm": 0, "evaluate_every": 1, "patience": 1, "validation_limit": 1,
    "save_every": 1, "log_every": 1, "log_usage_every": 0,
}  # fmt: skip


def split_steps(total: int, wanted: list[int]) -> list[int]:
    """`total` steps in the proportion of `wanted`, each at least 1, exact in sum."""
    shares = [total * each / sum(wanted) for each in wanted]
    steps = [max(1, math.floor(share)) for share in shares]
    by_rest = sorted(range(len(wanted)), key=lambda i: steps[i] - shares[i])
    for i in by_rest[: max(0, total - sum(steps))]:
        steps[i] += 1
    while sum(steps) > total:  # where a share below 1 became 1
        steps[steps.index(max(steps))] -= 1
    return steps


def diff_configs(one: RunConfig, other: RunConfig) -> list[str]:
    """What differs, as "dotted.path: this, that"; empty for equal plans."""
    ones, others = serialization.dump(one, name="plan"), serialization.dump(other, name="plan")
    return list(_diff_values("", ones, others))


def _diff_values(path: str, one: Any, other: Any) -> Iterator[str]:
    match one, other:
        case dict(), dict():
            for key in one | other:
                below = f"{path}.{key}" if path else str(key)
                yield from _diff_values(below, one.get(key), other.get(key))
        case list(), list() if len(one) == len(other):
            for i, (mine, theirs) in enumerate(zip(one, other, strict=True)):
                yield from _diff_values(f"{path}[{i}]", mine, theirs)
        case _ if one != other:
            yield f"{path}: {one!r}, {other!r}"


CONFIG_FIELDS = tuple(each.name for each in fields(RunConfig))
