"""`IngredientF1`: the F1 of predicted and true ingredients."""

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.metrics.base import Statistics, TextMetric, TextPrediction, compute_percent
from coterie.metrics.text.ingredient_parsing import compute_overlap


@dataclass(frozen=True, kw_only=True)
class IngredientF1(TextMetric):
    """Mean over samples, in percent, of 2 |P and G| / (|P| + |G|) of the sets of ingredient names.

    Names are those of `parse_ingredients`; both sets empty count 1. Of several answers, the best is
    used. A mean over samples ("macro"), and not the F1 of all names together.
    """

    def statistics(self, prediction: TextPrediction, answers: tuple[str, ...]) -> Statistics:
        return compute_overlap(prediction, answers)

    def score(self, total: Statistics) -> float:
        return compute_percent(total[1], total[2])

    def describe(self, total: Statistics) -> Mapping[str, float]:
        return {"ingredient_iou": compute_percent(total[0], total[2]), "without names": total[3]}
