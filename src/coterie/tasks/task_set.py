"""What is learned, as training sees it: rows, the model they are for, and a batch's losses."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from coterie.data.dataset import Dataset
from coterie.tasks.dense.collator import DenseCollator
from coterie.tasks.dense.dataset import DenseSamples
from coterie.tasks.text.collator import TextCollator
from coterie.train.objective import ItemLosses

if TYPE_CHECKING:
    from peft import PeftModel

    from coterie.models.loading import LoadedModel
    from coterie.train.trainable import TrainableParameters

AnyDataset = Dataset | DenseSamples
AnyCollator = TextCollator | DenseCollator


class TaskSet(ABC):
    """What differs between tasks that are answered in words and tasks on pictures.

    An item is what a step's loss is a mean over: a token of an answer, or a picture.
    """

    @abstractmethod
    def load_training_rows(self) -> Sequence[AnyDataset]:
        """What is mixed into batches. Raises ValueError if some cannot be read."""

    @abstractmethod
    def load_validation_rows(self) -> Sequence[AnyDataset]:
        """What is looked at meanwhile, if that was asked for."""

    @abstractmethod
    def load_model(self) -> "LoadedModel":
        """The model before it is grafted: the same weights whenever it is called."""

    def initialize_from_run(self, model: "PeftModel") -> tuple[str, ...]:
        """Puts what an earlier run has trained into the first stage's model, as it is grafted.

        Returns the names of the host's parameters that are not the base's any more, and are saved
        with what this run trains.
        """
        return ()

    def exclude_frozen(
        self, model: "PeftModel", trainable: "TrainableParameters"
    ) -> "TrainableParameters":
        """What a stage trains, less what is to stay as it is."""
        return trainable

    @abstractmethod
    def make_collator(self, processor: Any) -> AnyCollator:
        """What makes batches; `processor` is that of `load`."""

    @abstractmethod
    def transform(self, sample: Any, seed: int) -> Any:
        """What training sees of a row; `lot`, at least 0, is all that chance depends on."""

    @abstractmethod
    def compute_losses(
        self, model: nn.Module, base_model: nn.Module, batch: dict[str, Any]
    ) -> ItemLosses:
        """The losses of a batch, which the model is run on.

        Args:
            model: the grafted model, wrapped or not.
            host: the model in it.
            batch: the collator's, on the model's device.
        """

    @abstractmethod
    def count_items(self, batch: dict[str, Any]) -> int:
        """How many items are in a batch, which is not on the model's device yet."""

    @abstractmethod
    def get_task_names(self, batch: dict[str, Any]) -> list[str]:
        """Names of the tasks in a batch, for messages."""
