"""What is learned, as training sees it: rows, the model they are for, and a batch's losses."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from coterie.data.collate import Collator
from coterie.data.rows import Rows
from coterie.dense.collate import PictureCollator
from coterie.dense.rows import DenseRows
from coterie.train.losses import TokenLosses

if TYPE_CHECKING:
    from peft import PeftModel

    from coterie.pretrained import Pretrained
    from coterie.train.stages import Trained

AnyRows = Rows | DenseRows
AnyCollator = Collator | PictureCollator


class Lesson(ABC):
    """What differs between tasks that are answered in words and tasks on pictures.

    An item is what a step's loss is a mean over: a token of an answer, or a picture.
    """

    @abstractmethod
    def training_rows(self) -> Sequence[AnyRows]:
        """What is mixed into batches. Raises ValueError if some cannot be read."""

    @abstractmethod
    def validation_rows(self) -> Sequence[AnyRows]:
        """What is looked at meanwhile, if that was asked for."""

    @abstractmethod
    def load(self) -> "Pretrained":
        """The model before it is grafted: the same weights whenever it is called."""

    def begin(self, model: "PeftModel") -> tuple[str, ...]:
        """Puts what an earlier run has trained into the first stage's model, as it is grafted.

        Returns the names of the host's parameters that are not the base's any more, and are saved
        with what this run trains.
        """
        return ()

    def narrowed(self, model: "PeftModel", trained: "Trained") -> "Trained":
        """What a stage trains, less what is to stay as it is."""
        return trained

    @abstractmethod
    def collator(self, processor: Any) -> AnyCollator:
        """What makes batches; `processor` is that of `load`."""

    @abstractmethod
    def drawn(self, sample: Any, lot: int) -> Any:
        """What training sees of a row; `lot`, at least 0, is all that chance depends on."""

    @abstractmethod
    def losses(self, model: nn.Module, host: nn.Module, batch: dict[str, Any]) -> TokenLosses:
        """The losses of a batch, which the model is run on.

        Args:
            model: the grafted model, wrapped or not.
            host: the model in it.
            batch: the collator's, on the model's device.
        """

    @abstractmethod
    def items(self, batch: dict[str, Any]) -> int:
        """How many items are in a batch, which is not on the model's device yet."""

    @abstractmethod
    def present(self, batch: dict[str, Any]) -> list[str]:
        """Names of the tasks in a batch, for messages."""
