"""CIDEr-D against values by hand."""

import math

import pytest

from coterie.metrics.text.cider import Cider
from tests.metrics.cases import score

ANSWERS = [("red cat",), ("blue dog",)]


def test_by_hand() -> None:
    metric = Cider().fit(ANSWERS)
    # Each word and pair is in one of two rows: weight log 2. The answer itself: cosines of 1 for
    # n = 1 and 2, none for 3 and 4: 10 * 2 / 4 = 5, times 100.
    assert score(metric, ("Red cat.", ANSWERS[0])) == pytest.approx(500)
    # "red": cosine 1 / sqrt(2) of words, no pair: .7071 / 4 * 10 = 1.7678, and the length is off
    # by one pair: exp(-1 / 72) = .98621: 1.7434.
    expected = 1000 * math.sqrt(0.5) / 4 * math.exp(-1 / 72)
    assert expected == pytest.approx(174.34, abs=0.01)
    assert score(metric, ("red", ANSWERS[0])) == pytest.approx(expected)
    # Said three times, "red" counts once of three: 1 * 1 / (3 sqrt(2)); off by one pair.
    tripled = 1000 * math.sqrt(0.5) / 3 / 4 * math.exp(-1 / 72)
    assert score(metric, ("red red red", ANSWERS[0])) == pytest.approx(tripled)


def test_words_of_all_rows_weigh_nothing_and_answers_are_averaged() -> None:
    metric = Cider().fit([("a cat", "a dog"), ("a bird",)])
    # "a" is in both rows. Words: "cat" log 2 is alone: cosine 1 with "a cat", 0 with "a dog"; pairs
    # likewise: (1 + 1) / 4 * 10 for the one, 0 for the other: 2.5.
    assert score(metric, ("a cat", ("a cat", "a dog"))) == pytest.approx(250)


def test_it_must_be_fitted() -> None:
    with pytest.raises(ValueError, match=r"call `fit` with the answers"):
        score(Cider(), ("cat", ("cat",)))
