"""Packing of the outputs of a modality's encoders into one tensor."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from coterie.models.omni.encoders.base import Encoder, Features, Lengths, Rows


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
