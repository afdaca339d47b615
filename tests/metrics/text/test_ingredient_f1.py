"""F1 of ingredients."""

import numpy as np
import pytest

from coterie.metrics.text.ingredient_f1 import IngredientF1
from tests.metrics.cases import score, text_statistics


def test_by_hand() -> None:
    # 2/5 of section H of the specification; both empty is 1; the mean is 7/10.
    cases = [("Salt, egg", ("egg, milk, flour",)), ("", ("",))]
    assert score(IngredientF1(), *cases) == pytest.approx(70)


def test_iou_is_among_the_details() -> None:
    metric = IngredientF1()
    total = np.sum([text_statistics(metric, "Salt, egg", ("egg, milk, flour",))], axis=0)
    assert metric.describe(total) == {"ingredient_iou": 25, "without names": 0}
