"""Mean absolute errors."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from coterie.metrics.text.mean_absolute_error import MeanAbsoluteError
from tests.metrics.cases import score


def test_by_hand() -> None:
    # |4 - 5| = 1, silence is 0: |0 - 3| = 3; mean 2.
    assert score(MeanAbsoluteError(), ("4 eggs", ("5",)), ("?", ("3",))) == 2.0


def test_a_range_is_its_middle() -> None:
    # |4 - 6| = 2, |10 - 4| = 6; mean 4.
    assert score(MeanAbsoluteError(), ("3-5", ("6",)), ("10", ("3 to 5",))) == 4.0


def test_as_scikit_learn() -> None:
    right, predicted = np.random.default_rng(0).normal(size=(2, 40)).round(3)
    cases = [(str(p), (str(r),)) for p, r in zip(predicted, right, strict=True)]
    assert score(MeanAbsoluteError(), *cases) == pytest.approx(
        mean_absolute_error(right, predicted)
    )
