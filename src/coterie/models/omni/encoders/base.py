"""What an omni model must know of an encoder: its tower, its tokens, its weights."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from coterie.serialization import load

Count = TypeVar("Count", int, Tensor)


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """One encoder of an omni model. A new kind is a file here; a new encoder is an entry in
    `OmniConfig.encoders`.

    Attributes:
        name: the tower is `model.<name>_tower`, the connector `model.connectors.<name>`.
        hidden: features between the two linear maps of its connector.
        modality: what it reads. All encoders of a modality answer one after another.
    """

    name: str
    hidden: int = 768
    modality: ClassVar[Literal["image", "audio"]]

    @property
    @abstractmethod
    def width(self) -> int:
        """Features of each token it gives."""

    @abstractmethod
    def build_tower(self) -> nn.Module:
        """The network, with random weights."""

    @abstractmethod
    def count_tokens(self, length: Count) -> Count:
        """How many tokens it gives for an item of `length` (mel frames; images ignore it)."""

    @abstractmethod
    def encode(
        self, tower: nn.Module, values: Float[Tensor, "rows ..."], lengths: Int[Tensor, " rows"]
    ) -> Float[Tensor, "rows seq width"]:
        """Pooled features of images or sounds; what is behind an item's own tokens is arbitrary.

        Args:
            tower: what `tower()` built.
            values: `pixel_values` or `input_features`.
            lengths: mel frames of each sound; zeros for images.
        """

    @abstractmethod
    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        """The tower's state as `coterie fetch` has left it in `folder`."""


def parse_encoders(dumped: list[Any] | None) -> tuple[Encoder, ...]:
    """The encoders that `spec.dump` wrote into a configuration. ValueError for anything else."""
    found = load(list(dumped or ()), name="encoders")
    for position, encoder in enumerate(found):
        if not isinstance(encoder, Encoder):
            raise ValueError(
                f"encoders[{position}] = {encoder!r} is no encoder: give the `spec.dump` of one of "
                "the kinds in coterie.models.omni.encoders"
            )
    names = [encoder.name for encoder in found]
    if len(set(names)) < len(names):
        raise ValueError(f"encoders are named {names}: give each a name of its own")
    return found


def select_modality(encoders: tuple[Encoder, ...], modality: str) -> tuple[Encoder, ...]:
    """Those that read images, or sounds."""
    return tuple(encoder for encoder in encoders if encoder.modality == modality)
