"""The accuracy of VQA."""

import pytest

from coterie.metrics.text.vqa_accuracy import VqaAccuracy
from tests.metrics.cases import score


def leave_one_out(given: int) -> float:
    """The published mean: each of ten people is left out, `given` of whom agree."""
    people = [True] * given + [False] * (10 - given)
    counts = [sum(people) - one for one in people]
    return 100 * sum(min(count / 3, 1) for count in counts) / 10


@pytest.mark.parametrize(
    "given, expected", [(0, 0), (1, 30), (2, 60), (3, 90), (4, 100), (10, 100)]
)
def test_ten_people(given: int, expected: float) -> None:
    answers = ("red",) * given + ("blue",) * (10 - given)
    found = score(VqaAccuracy(), ("The Red.", answers))
    assert found == pytest.approx(expected) == pytest.approx(leave_one_out(given))


def test_fewer_answers_count_more_often() -> None:
    # One of one is ten of ten; one of five is two of ten.
    assert score(VqaAccuracy(), ("red", ("red",))) == 100
    assert score(VqaAccuracy(), ("red", ("red", "b", "c", "d", "e"))) == pytest.approx(60)
