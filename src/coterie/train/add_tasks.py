"""New tasks on pictures, which learn beside the frozen tasks of an earlier run."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from peft import PeftModel
from safetensors import safe_open
from torch import nn

from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseDataset, DenseSample, DenseSamples
from coterie.tasks.dense.frozen_tasks import FrozenTasks
from coterie.tasks.dense.task_set import DenseTasks, compute_batch_losses
from coterie.tasks.task_set import TaskSet
from coterie.train.config import RunConfig
from coterie.train.objective import ItemLosses
from coterie.train.run import ADAPTER_FOLDER, Run
from coterie.train.trainable import FrozenRows, TrainableParameters, get_base_parameter_name
from coterie.tuner.config import WEIGHTS

if TYPE_CHECKING:
    from coterie.models.loading import LoadedModel


class AddTasks(TaskSet):
    """`Pictures` of all tasks, of which only the new ones run and learn."""

    def __init__(self, config: RunConfig, dataset: DenseDataset, frozen: FrozenTasks) -> None:
        self.all_tasks, self.frozen = DenseTasks(config, dataset), frozen
        self.tasks, self.new_tasks = dataset.tasks, frozen.list_new_tasks(config.task_names)

    def load_training_rows(self) -> list[DenseSamples]:
        return self.all_tasks.load_training_rows()

    def load_validation_rows(self) -> list[DenseSamples]:
        return self.all_tasks.load_validation_rows()

    def load_model(self) -> "LoadedModel":
        return self.all_tasks.load_model()

    def initialize_from_run(self, model: PeftModel) -> tuple[str, ...]:
        """All tasks' weights from the earlier run, the new gates from the old."""
        # Heavy: transformers' models.
        from coterie.train.dense_adopt import build_extended_weights, check

        run = Run.read(self.frozen.run)
        before: Any = run.load().model
        base: Any = model.get_base_model()
        old, host = before.get_base_model().config.tasks, base.config
        if host.tasks[: len(old)] != old:
            raise ValueError(
                f"the first tasks of the data set differ from those of {run.folder}: now "
                f"{host.tasks[: len(old)]}, then {old}"
            )
        for task in self.tasks[len(old) :]:
            check(before, task, self.frozen.initialize_from, "default")
        like = (
            None
            if self.frozen.initialize_from is None
            else self.frozen.frozen_tasks.index(self.frozen.initialize_from)
        )
        model.load_state_dict(build_extended_weights(before.state_dict(), model.state_dict(), like))
        with safe_open(run.folder / ADAPTER_FOLDER / WEIGHTS, framework="pt") as file:
            learned = {name for name in file.keys() if ".coterie_" not in name}
        return tuple(
            name
            for name, _ in model.named_parameters()
            if ".coterie_" not in name
            and (
                name in learned
                or get_base_parameter_name(name).startswith(("heads.", "embeddings."))
            )
        )

    def exclude_frozen(
        self, model: PeftModel, trainable: TrainableParameters
    ) -> TrainableParameters:
        """Without the old tasks' heads, and with their rows of gates and vectors kept."""
        count, kept, heads = len(self.frozen.frozen_tasks), list(trainable.frozen_rows), set()
        old = tuple(f"heads.{number}." for number in range(count))
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if get_base_parameter_name(name).startswith(old):
                parameter.requires_grad_(False)
                heads.add(name)
            elif ".coterie_gate." in name or get_base_parameter_name(name).startswith(
                "embeddings."
            ):
                rows, values = slice(0, count), parameter.detach()[:count].clone()
                kept.append(FrozenRows(parameter=parameter, rows=rows, values=values))
        host = tuple(name for name in trainable.base if name not in heads)
        return replace(trainable, base=host, frozen_rows=tuple(kept))

    def make_collator(self, processor: DenseCollator) -> DenseCollator:
        return processor

    def transform(self, sample: DenseSample, seed: int) -> DenseSample:
        return self.all_tasks.transform(sample, seed)

    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        """One loss for each picture and new task with a label, times the task's weight."""
        said = model(pixel_values=batch["pixel_values"], tasks=self.new_tasks).predictions
        count = len(self.frozen.frozen_tasks)
        return compute_batch_losses(said, list(enumerate(self.tasks))[count:], batch)

    def count_items(self, batch: dict[str, Any]) -> int:
        return self.all_tasks.count_items(batch)

    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        return [name for name in self.all_tasks.get_task_names(batch) if name in self.new_tasks]
