"""Selection of the experts that remain in a pruned model, and the share of lost choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LayerUse = Mapping[str, Sequence[float]]
"""{"chosen": share of units by expert}."""


@dataclass(frozen=True, kw_only=True)
class PruningOptions:
    """How many experts are removed, and how.

    Attributes:
        threshold: an expert remains if its share of the task's choices is above this, divided by
            the experts that a token uses. 0.03 in Mod-Squad's code. 0 or more; at 0 only experts
            that were never chosen are removed.
        exact: retain the gate's rows of removed experts, `width` numbers each. Then the softmax
            still runs over all experts, and nothing changes for tokens whose experts all remain.
            Departs: Mod-Squad's code removes the rows, which is False here; its softmax over the
            remaining experts raises all their weights, even if no removed expert was ever chosen.
    """

    threshold: float = 0.03
    exact: bool = True

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise ValueError(f"PruningOptions(threshold={self.threshold}): give 0 or more, as 0.03")


def select_experts_to_keep(
    chosen: Sequence[float], active: int, threshold: float
) -> tuple[int, ...]:
    """Return the indices of the remaining experts by Mod-Squad's rule (`main_pruning.py`).

    An expert remains if its share of all choices is above threshold / active; the `active` most
    chosen, as many as a token uses, always remain, ties in order of their indices.
    `chosen` is how often, or by which share of units, each was chosen. Departs: Mod-Squad's code
    takes a running mean of counts (decay 0.95) from training; these are measured shares, by default
    exact over all rows. Raises ValueError if nothing was chosen.
    """
    total = sum(chosen)
    if not total > 0:
        raise ValueError(
            "no expert was ever chosen in the use that was given: measure it on at least one row"
        )
    order = sorted(range(len(chosen)), key=lambda number: (-chosen[number], number))
    above = {number for number in order if chosen[number] / total > threshold / active}
    return tuple(sorted(above | set(order[:active])))


def compute_lost_choices(
    use: Mapping[str, LayerUse], stay: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Compute the share of the task's choices of removed experts, by layer, in [0, 1].

    Where it is exactly 0 in all layers, no measured token would have chosen otherwise.
    `stay` is layer -> indices of the remaining experts.
    """
    found = {}
    for name, numbers in stay.items():
        chosen = use[name]["chosen"]
        gone = sum(share for number, share in enumerate(chosen) if number not in numbers)
        found[name] = gone / sum(chosen)
    return found
