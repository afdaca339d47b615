"""`TaskSet`: the data, model and loss of tasks that are trained together."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import nn

from coterie.data.dataset import BadRowsError
from coterie.data.sample_check import SampleCheck
from coterie.models.loading import LoadedModel
from coterie.models.options import ModelOptions
from coterie.plugins import MODELS
from coterie.recipe import Recipe
from coterie.tasks.evaluated_tasks import EvaluatedTasks
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.gradients import GradientOptions, GradientSource
from coterie.tasks.losses import ItemLosses
from coterie.tasks.predictions import Collator, TaskDataset
from coterie.tasks.split_summary import SplitSummary
from coterie.tasks.text.task import TextTask

Device = str | torch.device | None
Batch = dict[str, Any]


class TaskSet(EvaluatedTasks):
    """Tasks that are trained together, one interface for all kinds of task.

    Kinds are frozen keyword-only dataclasses. All of the library asks the task set for whatever
    depends on the kind, so a new kind of task is a new subclass and no edit elsewhere.

    Attributes:
        yaml_key: the top-level key of this kind's files for `coterie.read_tasks`; "" for none.
        optional_settings: the settings of a run out of `coterie.train.model_settings.OPTIONAL`
            that its models and batches support.
        default_recipe: the recipe that `coterie check` checks where none is given.
        extract_format: the format that `coterie.extract` writes where none is given.
        model_plugins: the group of `coterie.plugins` whose models `load_model` knows by name.
        min_batch_size: the fewest samples of one part of a batch from which something is learned.
        frozen: the tasks of an earlier run that stay as they are; None if all tasks are trained.
    """

    yaml_key: ClassVar[str] = ""
    optional_settings: ClassVar[tuple[str, ...]] = ()
    default_recipe: ClassVar[str] = "shared_lora"
    extract_format: ClassVar[str] = "adapter"
    model_plugins: ClassVar[str] = MODELS
    min_batch_size: ClassVar[int] = 1
    frozen: FrozenTasks | None = None

    @classmethod
    def from_yaml(cls, items: Mapping[Any, Any], path: Path) -> "TaskSet":
        """Construct the task set of a YAML file; a ValueError names the file and the key in it."""
        raise NotImplementedError(f"{cls.__name__} has a yaml_key and no from_yaml")

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The tasks' names, in the order of task ids."""

    @property
    def trained_names(self) -> tuple[str, ...]:
        """The tasks that are trained: all but the frozen ones, which are the first."""
        return self.names if self.frozen is None else self.names[len(self.frozen.names) :]

    def get_training_settings(self) -> dict[str, Any]:
        """Return the way of training, as JSON: runs that differ in it are different systems."""
        return {}

    def get_sampling_weights(self) -> tuple[float, ...] | None:
        """Return a factor of each training data set's share of the samples; None for equal ones."""
        return None

    def find_modalities(self) -> dict[str, tuple[str, ...]]:
        """Return each task's modalities beside text, by its rows; ValueError if none tells."""
        raise ValueError(
            f"tasks of a {type(self).__name__} are not told apart by modality: name the tasks of "
            "each branch"
        )

    def select(self, names: Sequence[str]) -> "TaskSet":
        """Return some of the tasks, in this order. Raises ValueError for an unknown name."""
        kind = type(self).__name__
        raise ValueError(f"tasks of a {kind} cannot be selected by name: leave the names out")

    def select_with(self, split: str) -> "TaskSet":
        """Return the tasks that have rows of a split, as far as that is known."""
        return self

    def withhold(self, names: Sequence[str]) -> "TaskSet":
        """Return these tasks without some of the sensors in evaluation.

        Raises ValueError for an unknown name, or if none remains.
        """
        raise ValueError(
            f"without={tuple(names)}: tasks of a {type(self).__name__} have no sensors: leave it "
            "out"
        )

    def with_settings_of(self, trained: "TaskSet") -> "TaskSet":
        """Return these tasks with a run's settings, as image size. ValueError for another kind."""
        if type(self) is not type(trained):
            raise ValueError(
                f"tasks is a {type(self).__name__}, and the run was trained on a "
                f"{type(trained).__name__}: give tasks of that kind, or leave tasks out for the "
                "run's own"
            )
        return self

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise ValueError if a recipe cannot be trained on these tasks."""
        return None

    @abstractmethod
    def load_model(
        self, base: str, *, dtype: torch.dtype | None = None, device: Device = None, seed: int = 0,
        options: ModelOptions | None = None,
    ) -> LoadedModel:  # fmt: skip
        """Load the base model, before it is grafted, and what makes its inputs.

        Args:
            base: a folder, a hub id, or "embedded".
            dtype: of the weights; None for the one they were saved in.
            device: see `coterie.devices.choose_device`; None for the best there is.
            seed: of newly initialised weights; equal seeds give equal weights.
            options: None for the defaults; only given if `optional_settings` has them.

        Raises ValueError if there is no such model, or it does not fit the tasks.
        """

    def load_sample_check(
        self, base: str, *, max_length: int | None = None, options: ModelOptions | None = None
    ) -> SampleCheck | None:
        """Load what checks samples, without the base's weights. ValueError for a wrong base."""
        return None

    @abstractmethod
    def load_datasets(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> Sequence[TaskDataset]:
        """Load the rows to train on, or of another split those of the tasks that have it.

        One data set a task, or one that all share. Rows that `sample_check` refuses are bad, too.
        Raises ValueError naming the first 20 bad rows of each task, unless they are skipped.
        """

    def describe_bad_rows(
        self, split: str, *, skip_bad_rows: bool = False, sample_check: SampleCheck | None = None
    ) -> str:
        """Return the error of `load_datasets` for bad rows; empty for none, or no such split."""
        try:
            self.load_datasets(split, skip_bad_rows=skip_bad_rows, sample_check=sample_check)
        except BadRowsError as error:
            return str(error)
        except ValueError:
            return ""
        return ""

    def compute_rows_digests(self) -> dict[str, str]:
        """Compute digests of the rows that training reads, by names such as "the rows of ocr".

        By them a resumed run notices rows that were replaced. Empty where that cannot be told.
        """
        return {}

    def find_missing_rows(self, split: str) -> str:
        """Return a file or folder of a split's rows that does not exist; empty if all do."""
        return ""

    def list_notices(self, datasets: Sequence[Any]) -> list[str]:
        """List what is no error in `load_datasets`, but may not be meant."""
        return []

    def summarize(self, sample_check: SampleCheck | None = None) -> list[SplitSummary]:
        """Summarize the rows of all splits, good and bad, for `coterie.check`."""
        return []

    @abstractmethod
    def make_collator(self, processor: Any, *, max_length: int | None = None) -> Collator:
        """Make the collator of training batches of at most `max_length` tokens a sample."""

    @abstractmethod
    def transform(self, sample: Any, seed: int) -> Any:
        """Apply training-time augmentation to a sample. Deterministic in `seed`, at least 0."""

    def get_modalities(self, sample: Any) -> tuple[str, ...]:
        """Return the modalities of a training sample's media; empty if all samples are alike."""
        return ()

    @abstractmethod
    def compute_losses(self, model: nn.Module, base_model: nn.Module, batch: Batch) -> ItemLosses:
        """Run a model, wrapped (by DDP, say) or not, with the base model in it, on a batch."""

    @abstractmethod
    def count_items(self, batch: dict[str, Any]) -> int:
        """Count a batch's items, see `ItemLosses`. The batch may be on any device."""

    @abstractmethod
    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        """Return the names of the tasks in a batch, for messages."""

    def make_gradient_source(
        self, loaded: LoadedModel, **options: Unpack[GradientOptions]
    ) -> GradientSource:
        """Make what `coterie.diagnose` takes gradients of. ValueError if the model does not fit."""
        raise ValueError(
            f"gradients of a {type(self).__name__} cannot be diagnosed: it does not define "
            "make_gradient_source"
        )

    def describe_task(self, name: str) -> str:
        """Describe a task in a few words, for `coterie list`."""
        return type(self).__name__

    def get_text_task(self, name: str | None = None) -> TextTask:
        """Return a task that answers questions in text, by its name; None for the only one.

        Raises ValueError if there is none of that name, or several and none is named.
        """
        raise ValueError(
            f"tasks of a {type(self).__name__} have no answers in text: load the run with "
            "coterie.Run.read(...).load() and call its model"
        )
