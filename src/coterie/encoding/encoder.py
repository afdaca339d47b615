"""`Encoder`, the interface of an omni model's encoders: a network and the input it takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.encoding.connector import Connector, Count, Features

Rows = Float[Tensor, "rows ..."]
Lengths = Int[Tensor, " rows"]


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """One encoder of an omni model: an entry of `OmniConfig.encoders`.

    Kinds are files of `coterie.models.omni.encoders`; the file of a new modality may define its
    encoder, too.

    Attributes:
        name: `model.<name>_tower` is the network, `model.connectors.<name>` the connector. It
            begins with the modality's name, which it may be; only those of images are free.
        hidden: hidden width of its connector.
        connector: None for an MLP.
        modality: its input, by the name of a `MediaModality`, which has the keywords of the model's
            forward. Tokens of a modality's encoders are concatenated in order; all encoders of a
            modality take the same input, which the first of them prepares.
    """

    name: str
    hidden: int = 768
    connector: Connector | None = None
    modality: ClassVar[str]

    @property
    def tower_owner(self) -> "Encoder":
        """The encoder whose tower this one uses: itself, unless it shares that of another."""
        return self

    @property
    def connector_owner(self) -> "Encoder":
        """The encoder whose connector this one uses: itself, unless it shares that of another."""
        return self

    @property
    @abstractmethod
    def width(self) -> int:
        """Width of its tokens."""

    @abstractmethod
    def build_tower(self) -> nn.Module:
        """Build the network, randomly initialised."""

    @abstractmethod
    def prepare(
        self, items: Sequence[Any], processor: Any, options: Mapping[str, Any]
    ) -> tuple[Rows, Lengths]:
        """Compute the forward's values of decoded items, and the length of each.

        `processor` is an `OmniProcessor`; `options` are those of its call for this modality.
        """

    @abstractmethod
    def describe_preparation(self, processor: Any) -> str:
        """Describe all settings that `prepare` depends on: cached features are found by them."""

    @abstractmethod
    def count_tokens(self, length: Count) -> Count:
        """Return the number of tokens of an item of `length`: mel frames, video frames or tiles.

        Kinds whose items all give the same number ignore it.
        """

    @abstractmethod
    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        """Compute pooled features of items, arbitrary beyond an item's tokens."""

    @abstractmethod
    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        """Load the tower's state dict from a folder with its published weights."""

    def count_embeddings(self, length: Count) -> Count:
        """Return the number of an item's embeddings, those that its connector gives."""
        count = self.count_tokens(length)
        return count if self.connector is None else self.connector.count_tokens(count)

    def count_rows(self, length: Count) -> Count:
        """Return the number of rows that the tower runs for an item."""
        return 0 * length + 1

    def write_placeholders(self, token: str, length: int) -> str:
        """Return the text that an item's embeddings replace the placeholder tokens of."""
        return token * self.count_embeddings(length)
