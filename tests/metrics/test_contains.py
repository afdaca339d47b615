"""Answers within predictions."""

from coterie.metrics.contains import Contains
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Whole words only: "cat" is in the first, not in "concatenate"; "ten" is one of two answers.
    cases = [("It is a cat.", ("cat",)), ("concatenate", ("cat",)), ("ten of them", ("10", "ten"))]
    assert round(score(Contains(), *cases), 9) == round(200 / 3, 9)
