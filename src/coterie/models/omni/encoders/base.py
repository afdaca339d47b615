"""`Encoder`, the interface of encoders: network, number of tokens and weights."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.serialization import load

Count = TypeVar("Count", int, Tensor)
Rows = Float[Tensor, "rows ..."]
Lengths = Int[Tensor, " rows"]
Features = Float[Tensor, "rows seq width"]


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """One encoder of an omni model: an entry of `OmniConfig.encoders`. Each kind is a file here.

    Attributes:
        name: `model.<name>_tower` is the network, `model.connectors.<name>` the connector.
        hidden: hidden width of its connector.
        modality: its input. Tokens of a modality's encoders are concatenated in order.
    """

    name: str
    hidden: int = 768
    modality: ClassVar[Literal["image", "audio"]]

    @property
    @abstractmethod
    def width(self) -> int:
        """Width of its tokens."""

    @abstractmethod
    def build_tower(self) -> nn.Module:
        """Build the network, randomly initialised."""

    @abstractmethod
    def count_tokens(self, length: Count) -> Count:
        """Return the number of tokens of an item of `length` (mel frames; images ignore it)."""

    @abstractmethod
    def encode(self, tower: nn.Module, values: Rows, lengths: Lengths) -> Features:
        """Compute pooled features of images or audio, arbitrary beyond an item's tokens.

        Args:
            tower: the network of `build_tower`.
            values: `pixel_values` or `input_features`.
            lengths: mel frames of each audio item; zeros for images.
        """

    @abstractmethod
    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        """Load the tower's state dict from the files of `coterie fetch` in `folder`."""


def parse_encoders(dumped: list[Any] | None) -> tuple[Encoder, ...]:
    """Parse dumped encoders of a configuration. Raises ValueError for anything else."""
    found = load(list(dumped or ()), name="encoders")
    for position, encoder in enumerate(found):
        if not isinstance(encoder, Encoder):
            raise ValueError(
                f"encoders[{position}] = {encoder!r} is no encoder: give the "
                "`serialization.dump` of one of the kinds in coterie.models.omni.encoders"
            )
    names = [encoder.name for encoder in found]
    if len(set(names)) < len(names):
        raise ValueError(f"encoders are named {names}: give each a name of its own")
    return found


def select_modality(encoders: tuple[Encoder, ...], modality: str) -> tuple[Encoder, ...]:
    """Return the encoders of a modality."""
    return tuple(encoder for encoder in encoders if encoder.modality == modality)
