"""`RunConfig`: the whole configuration of a run as one frozen value, saved as RUN/run.json."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from coterie import serialization
from coterie.data.sample_check import SampleCheck
from coterie.data.task_sampling import TaskSampling
from coterie.file_names import check_names_differ
from coterie.io import read_text
from coterie.models.loading import DTYPES, LoadedModel
from coterie.models.options import ModelOptions, Quantization
from coterie.recipe import Recipe
from coterie.stage import Stage
from coterie.tasks.task_set import Collator, TaskSet
from coterie.tasks.text.packing import PackedCollator
from coterie.train.branches import find_datasets, resolve_branches
from coterie.train.model_settings import check_fit
from coterie.train.run_directory import RunDirectory
from coterie.train.steps import extend_last, split_steps

BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The recipe, base model, tasks and settings of a run, as one frozen value.

    Equal configurations give equal runs, bit for bit on a CPU. RUN/run.json holds it.

    Attributes:
        recipe: mixtures, losses and stages; a stage by modality becomes a branch for each.
        base: the base model: a folder, a hub id, or "embedded".
        tasks: the tasks with their data; their order is that of task ids.
        mix: how the tasks share the batches.
        seed: of weights, order and dropout, at least 0.
        batch_size: samples of an optimizer step, over all devices and accumulation steps; None
            for each stage's own, or 8.
        accumulation: gradient accumulation steps; saves memory. Equal to one step to rounding,
            but for dropout and noise, which are sampled for each part.
        precision: "bfloat16" stores the frozen weights in bfloat16 and the experts in float32.
        quantize, attention, max_pixels: of the base model wherever it is loaded, in training and
            after it; see `coterie.models.options.ModelOptions`.
        max_length: tokens of a sample at most; rows with longer ones are bad rows. None for no
            limit but the model's own.
        packing: put several samples of text into one row of at most `max_length` tokens, instead
            of padding each; saves time and memory and changes nothing else.
        steps: optimizer steps over all stages, split in the proportion of the stages' own; None
            for the stages' own.
        continued_to: optimizer steps over all stages to which a later call with resume=True and a
            larger `steps` has lengthened the run. The last stage takes them all, and from there on
            its learning rate is that of the longer stage. None if none has.
        learning_rate: the peak of the stage with the highest; the others are scaled with it.
            None for the stages' own.
        max_grad_norm: gradients are clipped to this norm; 0 for no clipping.
        evaluate_every: steps between two validations; None for the ten of a stage that
            `patience` needs, or for none without it.
        patience: a stage stops after so many validations without a lower mean of the tasks'
            losses, and returns to its best weights. None for no early stopping.
        validation_limit: validation rows of a task that are used, from the first.
        workers: processes that read and decode training samples ahead; 0 for none, so that the
            training process reads them. Changes nothing else.
        save_every: steps between two checkpoints, at least 1; only the last two are stored. A run
            may be resumed with another, and with other `workers`.
        log_every: steps between two lines of log.jsonl.
        log_usage_every: lines between two with expert usage; 0 for none.
        skip_bad_rows: skip rows that cannot be read and list them in bad_rows.jsonl.
        gradient_checkpointing: recompute activations in the backward pass, to save memory.
        compile: train through torch.compile; equal to rounding.
        sharding: "fsdp": each of several processes stores a part of all weights, gradients and
            optimizer states, by torch's fully_shard (FSDP2); changes nothing else. "none": each
            stores all of them.
        expert_parallel: processes that each store an equal part of the experts of one set, and
            exchange tokens: for `Copies` that are trained fully, whose number it divides; changes
            nothing else. 1: each process stores all of them.
        report_to: other integrations of transformers' Trainer, such as "wandb".
    """

    recipe: Recipe
    base: str
    tasks: TaskSet
    mix: TaskSampling = field(default_factory=TaskSampling)
    seed: int = 0
    batch_size: int | None = None
    accumulation: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    quantize: Quantization | None = None
    attention: str | None = None
    max_pixels: int | None = None
    max_length: int | None = None
    packing: bool = False
    steps: int | None = None
    continued_to: int | None = None
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    evaluate_every: int | None = None
    patience: int | None = None
    validation_limit: int = 200
    workers: int = 0
    save_every: int = 50
    log_every: int = 10
    log_usage_every: int = 5
    skip_bad_rows: bool = False
    gradient_checkpointing: bool = False
    compile: bool = False
    sharding: Literal["none", "fsdp"] = "none"
    expert_parallel: int = 1
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.report_to, str):
            object.__setattr__(self, "report_to", (self.report_to,))
        if not isinstance(self.tasks, TaskSet):
            advice = "give a TaskSet, such as coterie.read_tasks returns"
            raise ValueError(f"tasks={self.tasks!r}: {advice}")
        names = list(self.task_names)
        if not names:
            raise ValueError("tasks=[]: give at least one task")
        check_names_differ(names, f"tasks={names}", kind="task")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(
                f"precision={self.precision!r}: allowed are 'float32' and 'bfloat16'; float16 "
                "needs its losses scaled and is not supported"
            )
        object.__setattr__(self, "recipe", resolve_branches(self.recipe, self.tasks))
        self.recipe.check_tasks(names)
        self.tasks.check_recipe(self.recipe)
        self._check_numbers()
        check_fit(self)
        # Balancings with a weight for each task are checked before anything is loaded.
        self.recipe.balancing.build(len(names))

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks' names, in the order of task ids."""
        return self.tasks.names

    @property
    def validates(self) -> bool:
        """Whether the run computes losses on validation rows."""
        return self.patience is not None or self.evaluate_every is not None

    @property
    def model_options(self) -> ModelOptions:
        """How the base model is loaded."""
        return ModelOptions(
            quantize=self.quantize, attention=self.attention, max_pixels=self.max_pixels
        )

    def load_sample_check(self) -> SampleCheck | None:
        """Load what checks that the base model can take a sample, without its weights."""
        options = None if self.model_options == ModelOptions() else self.model_options
        return self.tasks.load_sample_check(self.base, max_length=self.max_length, options=options)

    def load_base(self, device: str | torch.device | None = None) -> LoadedModel:
        """Load the base model, before it is grafted: the same weights at each call."""
        given: dict[str, Any] = {"dtype": DTYPES[self.precision], "seed": self.seed}
        if self.model_options != ModelOptions():
            given["options"] = self.model_options
        return self.tasks.load_model(self.base, device=device, **given)

    def make_collator(self, processor: Any) -> Collator:
        """Make the collator of the training batches."""
        longest = self.max_length
        collator = self.tasks.make_collator(processor, max_length=longest)
        if not self.packing:
            return collator
        # Flash attention tells samples of one row apart, and not those of several.
        has_rows = longest is not None and "flash" not in (self.attention or "")
        return PackedCollator(collator, longest if has_rows else None)

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
        for stage in self.recipe.stages:
            size = self.get_global_batch_size(stage)
            if size % self.accumulation:
                raise ValueError(
                    f"accumulation={self.accumulation} does not divide the batch size {size} of "
                    f"stage {stage.name!r}: accumulation says in how many parts a batch is computed"
                )
            if (part := size // self.accumulation) < self.tasks.min_batch_size:
                raise ValueError(
                    f"batch_size={size}, accumulation={self.accumulation}: a sample of "
                    f"{type(self.tasks).__name__} learns from the others of its part of a batch, "
                    f"and has {part - 1}: give at least {self.tasks.min_batch_size} a part"
                )

    def get_global_batch_size(self, stage: Stage) -> int:
        """Return the samples of an optimizer step in `stage`."""
        return self.batch_size or stage.batch_size or BATCH_SIZE

    def resolve_stages(self, sizes: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages with this configuration's steps and rates, for `sizes` rows a task."""
        lengths: list[float] = []
        for stage in self.recipe.stages:
            own = [sizes[each] for each in find_datasets(stage, self.task_names, len(sizes))]
            a_pass = self.mix.count_steps_per_epoch(own, self.get_global_batch_size(stage))
            lengths.append(stage.steps or (stage.epochs or 1) * a_pass)
        wanted = (
            [max(1, math.ceil(each)) for each in lengths]
            if self.steps is None
            else split_steps(self.steps, lengths)
        )
        if self.continued_to is not None:
            wanted = extend_last(self.continued_to, wanted)
        highest = max(stage.learning_rate for stage in self.recipe.stages)
        scale = 1.0 if self.learning_rate is None else self.learning_rate / highest
        return tuple(
            replace(
                stage, steps=steps, epochs=None, learning_rate=stage.learning_rate * scale,
                learning_rates={k: rate * scale for k, rate in stage.learning_rates.items()},
            )
            for stage, steps in zip(self.recipe.stages, wanted, strict=True)
        )  # fmt: skip

    def dumps(self) -> str:
        """Return the configuration as JSON text."""
        return serialization.dumps(self, name="run")

    @classmethod
    def read(cls, path: str | Path) -> "RunConfig":
        """Read a configuration from a run's folder or its file. ValueError if it does not load."""
        path = Path(path).expanduser()
        path = RunDirectory(path).config_file if path.is_dir() else path
        if not path.is_file():
            raise ValueError(f"{path} is not a file: give a run's folder or its configuration file")
        value = serialization.loads(read_text(path), RunConfig | Recipe, name=str(path))
        if not isinstance(value, RunConfig):
            raise ValueError(
                f"{path} holds a {type(value).__name__}, not a run's configuration: a recipe alone "
                "has neither model nor tasks; pass it to coterie.train"
            )
        return value


MINIMUMS = {
    "seed": 0, "batch_size": 1, "accumulation": 1, "max_length": 1, "steps": 1, "continued_to": 1,
    "max_grad_norm": 0, "evaluate_every": 1, "patience": 1, "validation_limit": 1,
    "save_every": 1, "log_every": 1, "log_usage_every": 0, "workers": 0, "expert_parallel": 1,
}  # fmt: skip
