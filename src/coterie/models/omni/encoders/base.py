"""What an omni model does with its encoders: parsing, and packing several outputs into one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from coterie.annotations import abbreviate
from coterie.encoding.encoder import Encoder, Features, Lengths, Rows
from coterie.modalities.base import find_media_modalities
from coterie.serialization import load


def parse_encoders(dumped: list[Any] | None) -> tuple[Encoder, ...]:
    """Parse dumped encoders of a configuration. Raises ValueError for anything else."""
    found = load(list(dumped or ()), tuple[Encoder, ...], name="encoders")
    names = [encoder.name for encoder in found]
    for position, encoder in enumerate(found):
        if problem := find_name_problem(encoder):
            raise ValueError(f"encoders[{position}].name = {abbreviate(encoder.name)}: {problem}")
    if len(set(names)) < len(names):
        raise ValueError(f"encoders are named {names}: give each a name of its own")
    by_name = {encoder.name: encoder for encoder in found}
    for encoder in found:
        for owner in (encoder.tower_owner, encoder.connector_owner):
            if by_name.setdefault(owner.name, owner) != owner:
                raise ValueError(
                    f"encoders[{names.index(encoder.name)}] ({encoder.name}) shares the tower of "
                    f"{owner.name!r}, and has other settings for it than the encoder of that name: "
                    "give both the same"
                )
    return found


def find_name_problem(encoder: Encoder) -> str | None:
    """Return why an encoder cannot have its name, from which a tower's modality is told; or None.

    The names of image encoders are free, but for those that begin with another modality.
    """
    if not encoder.name.isidentifier():  # modules are named for it
        return "give letters, digits and underscores"
    known = [name for name in find_media_modalities() if name != "image"]
    begins = next((name for name in known if encoder.name.startswith(name)), "image")
    if begins != encoder.modality:
        return (
            f"it is an encoder of {encoder.modality}: begin it with {encoder.modality}"
            f"{' or another word' if encoder.modality == 'image' else ''}, and not with "
            "another modality"
        )
    return None


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
