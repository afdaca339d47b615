"""`IngredientIou`: the intersection over union of predicted and true ingredients."""

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.metrics.base import Statistics, TextMetric, TextPrediction, compute_percent
from coterie.metrics.text.ingredient_parsing import compute_overlap


@dataclass(frozen=True, kw_only=True)
class IngredientIou(TextMetric):
    """Mean over samples, in percent, of |P and G| / |P or G| of the sets of ingredient names.

    Names are those of `parse_ingredients`; both sets empty count 1. Of several answers, the best is
    used. Whether the published numbers of Uni-Food are means over samples is not known.
    """

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        return compute_overlap(prediction, answers)

    def score(self, total: Statistics) -> float:
        return compute_percent(total[0], total[2])

    def describe(self, total: Statistics) -> Mapping[str, float]:
        return {"ingredient_f1": compute_percent(total[1], total[2]), "without names": total[3]}
