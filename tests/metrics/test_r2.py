"""Explained spread."""

import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

from coterie.metrics.r2 import R2
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Answers 1, 2, 3: mean 2, spread 2. Errors 0, 1, 0: 1 - 1 / 2.
    assert score(R2(), ("1", ("1",)), ("3", ("2",)), ("3", ("3",))) == pytest.approx(0.5)


@pytest.mark.parametrize("log", [False, True])
def test_as_scikit_learn(log: bool) -> None:
    right, predicted = np.random.default_rng(0).exponential(100, size=(2, 40)).round(3)
    cases = [(str(p), (str(r),)) for p, r in zip(predicted, right, strict=True)]
    form = np.log1p if log else np.asarray
    assert score(R2(log=log), *cases) == pytest.approx(r2_score(form(right), form(predicted)))


def test_equal_answers_have_no_spread() -> None:
    assert math.isnan(score(R2(), *[("1", ("0.1",))] * 3))


def test_no_logarithm_of_less_than_zero() -> None:
    with pytest.raises(ValueError, match=r"has a number below 0, of which R2\(log=True\)"):
        R2(log=True).check(("-3",))
    R2().check(("-3",))


def test_log_is_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"R2\(log='yes'\): give true or false"):
        R2(log="yes")
