"""The share of each run in the experts' output, by modality of the tokens."""

import math
from collections.abc import Collection, Mapping, Sequence

from coterie.modalities.base import find_modalities

TEXT = "text"
Shares = Mapping[str, tuple[float, ...]]
"""Modality -> a share for each run; modalities that are not in it have those of text."""


def check_weights(weights: Sequence[float], count: int) -> tuple[float, ...]:
    """Return the weights of `count` runs as floats.

    Raises ValueError unless there is one for each, at least 0 and not all of them 0.
    """
    try:
        found = tuple(map(float, weights))
    except (TypeError, ValueError):
        raise ValueError(
            f"weights={weights!r}: give 'even', 'search', or a number for each run"
        ) from None
    if len(found) != count:
        raise ValueError(
            f"weights={list(found)} has {len(found)} numbers, and {count} runs are composed: give "
            "one for each, in their order"
        )
    if not all(0 <= each < math.inf for each in found) or not any(found):
        raise ValueError(f"weights={list(found)}: give numbers of at least 0, and one above it")
    return found


def make_even_weights(count: int) -> tuple[float, ...]:
    """Return equal weights that sum to 1. (DAMC's README has 0.333 for three, which does not.)"""
    return (1 / count,) * count


def compute_shares(
    weights: Sequence[float], owned: Sequence[Collection[str]], *, media: str
) -> Shares:
    """Return the shares of the runs in the language model, from their weights.

    Text has the weights. A modality has the runs that were trained with it, unscaled: the share of
    a single one is 1, as in DAMC, and several share in the proportion of their weights.

    Args:
        owned: the modalities of each run's training rows.
        media: "own" for this; "text" gives all modalities the weights of text, as NaiveMC does.
    """
    names = [each.name for each in find_modalities() if each.name != TEXT]
    shares = {TEXT: tuple(weights)}
    for name in names if media == "own" else ():
        owners = [name in each for each in owned]
        if any(owners):
            shares[name] = divide(weights, owners)
    return shares


def compute_tower_shares(
    weights: Sequence[float], owned: Sequence[Collection[str]], tower: str
) -> tuple[float, ...]:
    """Return the shares of the runs in an encoder or a connector: of those that pass through it."""
    return divide(weights, find_tower_users(owned, tower))


def find_tower_users(owned: Sequence[Collection[str]], tower: str) -> list[bool]:
    """Return which runs' training rows pass through a tower; all do through that of the text."""
    passing = {each.name for each in find_modalities() if tower in each.towers}
    return [tower == TEXT or bool(passing & {*each}) for each in owned]


def divide(weights: Sequence[float], owners: Sequence[bool]) -> tuple[float, ...]:
    """Divide 1 among the owners in the proportion of their weights; evenly if these are all 0."""
    own = [weight if owns else 0.0 for weight, owns in zip(weights, owners, strict=True)]
    if not any(own):
        own = [float(each) for each in owners]
    total = sum(own)
    return tuple(each / total if total else 0.0 for each in own)
