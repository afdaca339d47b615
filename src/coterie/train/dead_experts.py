"""A watch over experts that no token or sample chooses: they get no gradient, and learn nothing."""

import warnings
from collections.abc import Sequence

from jaxtyping import Bool
from torch import Tensor

from coterie.mixture import Mixture
from coterie.routing.usage import ExpertUsage

WATCHED_RECORDS = 20
"""After so many records of a stage without a choice an expert counts as dead, not as unlucky."""
FEWEST_RECORDS = 10
"""So many are enough at the end of a stage that has no more."""


class DeadExpertWatch:
    """Collects which experts were chosen in the records of a stage, and warns once."""

    def __init__(self, mixtures: Sequence[Mixture]) -> None:
        routers = {type(each.router): each.router for each in mixtures if each.gate is not None}
        self.advice = "; ".join(router.dead_expert_advice for router in routers.values())
        self.num_records = 0
        self.chosen: dict[str, Bool[Tensor, " experts"]] = {}

    def add(self, usage: ExpertUsage, *, is_last: bool = False) -> None:
        """Add the usage of one record, of all processes; `is_last` is the last one of the stage."""
        self.num_records += 1
        for layer, sums in usage.sums.items():
            is_chosen = sums[:, :-1].chunk(3, 1)[1].sum(0) > 0
            self.chosen[layer] = self.chosen.get(layer, is_chosen) | is_chosen
        ends_early = is_last and FEWEST_RECORDS <= self.num_records < WATCHED_RECORDS
        is_due = self.num_records == WATCHED_RECORDS or ends_early
        if is_due and (told := self.describe()):
            warnings.warn(told, stacklevel=2)

    def describe(self) -> str:
        """Describe what was never chosen and the cure; "" if each expert was."""
        closed = [layer for layer, chosen in self.chosen.items() if not chosen.any()]
        partly = [
            layer for layer, chosen in self.chosen.items() if chosen.any() and not chosen.all()
        ]
        parts = [
            f"{what} in {len(layers)} of {len(self.chosen)} layers ({layers[0]}, ...)"
            for what, layers in (("no expert at all", closed), ("only some experts", partly))
            if layers
        ]
        if not parts:
            return ""
        return (
            f"tokens used {' and '.join(parts)} in {self.num_records} records; experts without "
            f"tokens learn nothing: {self.advice}"
        )
