"""`Encoder`, the interface of encoders, and the packing of several outputs into one tensor."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from coterie.annotations import abbreviate
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
    modality: ClassVar[str]

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

        `values` are `pixel_values` or `input_features`, `lengths` the mel frames of each audio
        item; zeros for images.
        """

    @abstractmethod
    def load_weights(self, folder: Path) -> dict[str, Tensor]:
        """Load the tower's state dict from the files of `coterie fetch` in `folder`."""


def parse_encoders(dumped: list[Any] | None) -> tuple[Encoder, ...]:
    """Parse dumped encoders of a configuration. Raises ValueError for anything else."""
    found = load(list(dumped or ()), tuple[Encoder, ...], name="encoders")
    names = [encoder.name for encoder in found]
    for position, name in enumerate(names):
        if not name.isidentifier():  # modules are named for it
            where = f"encoders[{position}].name = {abbreviate(name)}"
            raise ValueError(f"{where}: give letters, digits and underscores")
    if len(set(names)) < len(names):
        raise ValueError(f"encoders are named {names}: give each a name of its own")
    return found


def select_modality(encoders: tuple[Encoder, ...], modality: str) -> tuple[Encoder, ...]:
    """Return the encoders of a modality."""
    return tuple(encoder for encoder in encoders if encoder.modality == modality)


def pack(parts: Sequence[Rows]) -> Features:
    """Concatenate encoder outputs along tokens, zero-padding narrower features."""
    widest = max(part.shape[-1] for part in parts)
    return torch.cat([nn.functional.pad(x, (0, widest - x.shape[-1])) for x in parts], dim=1)


def unpack(
    features: Features, lengths: Lengths, encoders: Sequence[Encoder]
) -> Iterator[tuple[Encoder, Rows, Bool[Tensor, "rows ..."]]]:
    """Yield each encoder, its part of the features, and the mask of each item's own tokens."""
    longest, start = int(lengths.max()), 0
    for encoder in encoders:
        count = encoder.count_tokens(longest)
        part = features[:, start : start + count, : encoder.width]
        own = torch.arange(count, device=features.device) < encoder.count_tokens(lengths)[:, None]
        yield encoder, part, own
        start += count
    if start != features.shape[1]:
        names = ", ".join(encoder.name for encoder in encoders)
        raise ValueError(
            f"features have {features.shape[1]} tokens an item, but {names} give {start} for the "
            f"longest: pass them as the processor made them, with feature_lengths for sounds"
        )


def split_items(
    features: Features, lengths: Lengths, encoders: Sequence[Encoder]
) -> list[dict[str, Tensor]]:
    """Split packed features into encoder name -> [tokens, width] for each item."""
    found: list[dict[str, Tensor]] = [{} for _ in features]
    for encoder, part, own in unpack(features, lengths, encoders):
        for item, tokens, count in zip(found, part, own.sum(1).tolist(), strict=True):
            item[encoder.name] = tokens[:count].contiguous()
    return found


def join_items(found: Sequence[Mapping[str, Tensor]], encoders: Sequence[Encoder]) -> Features:
    """Join the items of `split_items` to packed features."""
    pad = nn.utils.rnn.pad_sequence
    return pack([pad([item[each.name] for item in found], batch_first=True) for each in encoders])
