"""Explained spread."""

import math

import numpy as np
import pytest
from sklearn.metrics import r2_score

from coterie.metrics.text.r2 import R2
from tests.metrics.cases import score, text_statistics


def test_by_hand() -> None:
    # Answers 1, 2, 3: mean 2, spread 2. Errors 0, 1, 0: 1 - 1 / 2.
    assert score(R2(), ("1", ("1",)), ("3", ("2",)), ("3", ("3",))) == pytest.approx(0.5)


@pytest.mark.parametrize("log", [False, True])
def test_as_scikit_learn(log: bool) -> None:
    right, predicted = np.random.default_rng(0).exponential(100, size=(2, 40)).round(3)
    cases = [(str(p), (str(r),)) for p, r in zip(predicted, right, strict=True)]
    form = np.log1p if log else np.asarray
    assert score(R2(log=log), *cases) == pytest.approx(r2_score(form(right), form(predicted)))


def fitted_score(metric: R2, cases: list[tuple[str, tuple[str, ...]]]) -> float:
    """The score as `coterie.evaluate` computes it: fitted to all answers first."""
    return score(metric.fit([answers for _, answers in cases]), *cases)


@pytest.mark.parametrize("center", [1e6, 1.7e9, -1e12])
def test_answers_far_from_zero(center: float) -> None:
    # Answers c - 1, c, c + 1: spread 2. Errors 0, .5, 0: 1 - .25 / 2 = .875.
    cases = [
        (repr(center + predicted), (repr(center + answer),))
        for predicted, answer in [(-1, -1), (0.5, 0), (1, 1)]
    ]
    assert fitted_score(R2(), cases) == pytest.approx(0.875, abs=1e-12)


@pytest.mark.parametrize(("mean", "deviation", "error"), [(1e6, 0.5, 0.09), (1.7e9, 1e3, 90.0)])
def test_as_scikit_learn_where_squares_swallow_the_spread(
    mean: float, deviation: float, error: float
) -> None:
    random = np.random.default_rng(0)
    right = (mean + deviation * random.standard_normal(200)).round(3)
    predicted = (right + error * random.standard_normal(200)).round(3)
    cases = [(repr(float(p)), (repr(float(r)),)) for p, r in zip(predicted, right, strict=True)]
    assert fitted_score(R2(), cases) == pytest.approx(r2_score(right, predicted), abs=1e-9)


def test_statistics_add_up_about_one_center() -> None:
    # What a bootstrap does: rows of a split drawn anew, here the first twice and the last not.
    cases = [("1000001", ("1000001",)), ("1000002", ("1000003",)), ("0", ("1000009",))]
    metric = R2().fit([answers for _, answers in cases])
    drawn = metric.score(sum(text_statistics(metric, *cases[i]) for i in (0, 0, 1)))
    # Answers 1, 1, 3 (and a million): mean 5/3, spread 2 * 4/9 + 16/9 = 8/3. Error 1: 1 - 3/8.
    assert drawn == pytest.approx(0.625)


def test_the_center_is_no_setting(unchecked) -> None:
    metric = R2(log=True).fit([("3",), ("7", "1")])
    # log 4, log 8 and log 2 have the mean log 4.
    assert isinstance(metric, R2) and metric.center == pytest.approx(math.log(4))
    assert str(metric) == "r2(log=True)"
    with pytest.raises(TypeError, match="center"):
        R2(center=1.0)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("answer", ["0.1", "1000000.3"])
def test_equal_answers_have_no_spread_about_their_mean(answer: str) -> None:
    assert math.isnan(fitted_score(R2(), [("1", (answer,))] * 3))


def test_equal_answers_have_no_spread() -> None:
    assert math.isnan(score(R2(), *[("1", ("0.1",))] * 3))


def test_no_logarithm_of_less_than_zero() -> None:
    with pytest.raises(ValueError, match=r"has a number below 0, of which R2\(log=True\)"):
        R2(log=True).check(("-3",))
    R2().check(("-3",))


def test_log_is_checked(unchecked) -> None:
    with pytest.raises(ValueError, match=r"R2\(log='yes'\): give true or false"):
        R2(log="yes")
