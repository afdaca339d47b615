"""Which pruned model is the smallest, and a curve's table, by hand."""

import pytest

from coterie.extract.parameter_counts import ParameterCounts
from coterie.extract.score_curve import CurvePoint, ScoreCurve


def made(unit: str, *scores: float, better: bool = True) -> ScoreCurve:
    """Three points of a layer with four experts, of which 3, 2 and 1 stay."""
    points = tuple(
        CurvePoint(
            threshold=number / 10,
            parameters=ParameterCounts(shared=100, experts=10 * (3 - number), other=50),
            remaining_experts={"mlp": tuple(range(3 - number))},
            score=score,
        )
        for number, score in enumerate(scores)
    )
    return ScoreCurve(
        task="t", split="test", samples=2, measured_on="validation", metric="m", unit=unit,
        higher_is_better=better, full_score=50.0,
        full_parameters=ParameterCounts(shared=100, experts=40, other=60),
        usage={"mlp": {"chosen": [0.5, 0.3, 0.15, 0.05]}}, points=points,
    )  # fmt: skip


def test_which_is_the_smallest() -> None:
    curve = made("%", 50.1, 49.8, 49.0)
    # Percent points below 50: -.1, .2, 1.
    assert [curve.compute_points_below_full(point) for point in curve.points] == pytest.approx(
        [-0.1, 0.2, 1.0]
    )
    best = curve.find_smallest_within(within=0.21)
    assert best is not None and best.threshold == 0.1
    assert curve.find_smallest_within(within=-1.0) is None
    # An error of 50.1 is .2 percent of the whole's 50 worse.
    errors = made("deg", 50.1, 49.0, 60.0, better=False)
    assert [errors.compute_points_below_full(point) for point in errors.points] == pytest.approx(
        [0.2, -2.0, 20.0]
    )
    row = curve.to_rows()[1]
    # 100 + 20 + 50 of 200; without the trunk 70 of 100; 20 of 40. The last two experts' choices.
    assert (row["share"], row["share_above_trunk"], row["share_of_experts"]) == (0.85, 0.7, 0.5)
    assert row["choices_lost"] == pytest.approx(0.2)
    assert "| 0.1 | 2 | 0.00017 | 85.0% | 50.0% | 49.8 | 0.20 |" in curve.to_markdown()
