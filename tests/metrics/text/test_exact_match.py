"""Exact matches."""

from coterie.metrics.text.exact_match import ExactMatch
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Two of four: case, article and point do not count; 35 is not 3.5; one of several will do.
    cases = [("The cat.", ("cat",)), ("35", ("3.5",)), ("b", ("a1", "B")), ("", ("x",))]
    assert score(ExactMatch(), *cases) == 50.0


def test_a_wrong_sign_is_wrong() -> None:
    # U+2212 and the hyphen are the same minus; neither is nothing.
    assert score(ExactMatch(), ("\u22125", ("-5",)), ("-5", ("\u22125",))) == 100.0
    assert score(ExactMatch(), ("\u22125", ("5",)), ("5", ("\u22125",)), ("-.5", (".5",))) == 0.0


def test_strict() -> None:
    assert score(ExactMatch(strict=True), (" cat\n", ("cat",)), ("Cat", ("cat",))) == 50.0
