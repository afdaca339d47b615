"""IoU of ingredients."""

import numpy as np
import pytest

from coterie.metrics.text.ingredient_iou import IngredientIou
from tests.metrics.cases import score, text_statistics


def test_by_hand() -> None:
    # 1/4 of section H of the specification; both empty is 1; the mean is 5/8.
    cases = [("Salt, egg", ("egg, milk, flour",)), ("", ("",))]
    assert score(IngredientIou(), *cases) == pytest.approx(62.5)
    # The best of two answers: {salt, egg} exactly.
    assert score(IngredientIou(), ("salt, egg", ("milk", "egg, salt"))) == 100


def test_f1_and_empty_predictions_are_among_the_details() -> None:
    metric = IngredientIou()
    rows = [text_statistics(metric, text, ("egg, milk, flour",)) for text in ("Salt, egg", "")]
    # F1 2/5 and 0, of which the mean is 1/5.
    assert metric.describe(np.sum(rows, axis=0)) == {
        "ingredient_f1": pytest.approx(20), "without names": 1
    }  # fmt: skip
