"""`Connector`, the interface of what turns an encoder's tokens into embeddings of the model."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeVar

from jaxtyping import Bool, Float
from torch import Tensor, nn

Count = TypeVar("Count", int, Tensor)
Features = Float[Tensor, "rows seq width"]


@dataclass(frozen=True, kw_only=True)
class Connector(ABC):
    """What is between an encoder and the language model. Each kind is a file of `connectors`."""

    @abstractmethod
    def count_tokens(self, count: Count) -> Count:
        """Return the number of embeddings of an item with `count` tokens of the encoder."""

    @abstractmethod
    def build(self, width: int, hidden: int, out: int) -> nn.Module:
        """Build the network, randomly initialised.

        Args:
            width: that of the encoder's tokens.
            hidden: the encoder's `hidden`.
            out: that of the language model's embeddings.
        """

    @abstractmethod
    def project(
        self, network: Any, features: Features, own: Bool[Tensor, "rows seq"]
    ) -> Float[Tensor, "rows tokens out"]:
        """Compute the embeddings of items, arbitrary beyond an item's number of them.

        `own` says which features are an item's; the others are padding.
        """
