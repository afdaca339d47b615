"""Exact matches."""

import pytest

from coterie.metrics.base import TextMetric
from coterie.metrics.text.contains import ContainsAnswer
from coterie.metrics.text.exact_match import ExactMatch
from coterie.metrics.text.macro_f1 import MacroF1
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Two of four: case, article and point do not count; 35 is not 3.5; one of several will do.
    cases = [("The cat.", ("cat",)), ("35", ("3.5",)), ("b", ("a1", "B")), ("", ("x",))]
    assert score(ExactMatch(), *cases) == 50.0


def test_a_wrong_sign_is_wrong() -> None:
    # U+2212 and the hyphen are the same minus; neither is nothing.
    assert score(ExactMatch(), ("\u22125", ("-5",)), ("-5", ("\u22125",))) == 100.0
    assert score(ExactMatch(), ("\u22125", ("5",)), ("5", ("\u22125",)), ("-.5", (".5",))) == 0.0


@pytest.mark.parametrize("letter", "AB")
@pytest.mark.parametrize(
    "form",
    ["X", "X.", "(X)", "X)", "X:", "**X**", "'X'", "x", "The answer is X", "Answer: X", "X) red"],
)
@pytest.mark.parametrize(
    "metric", [ExactMatch(), ContainsAnswer(), MacroF1(labels=("A", "B"))], ids=str
)
def test_the_letter_of_an_option_is_right_in_any_form(
    metric: TextMetric, form: str, letter: str
) -> None:
    said = form.replace("X", letter).replace("x", letter.lower())
    other = "B" if letter == "A" else "A"
    assert score(metric, (said, (letter,))) == 100.0
    assert score(metric, (said, (other,))) == 0.0


def test_an_article_is_no_option() -> None:
    assert score(ExactMatch(), ("It is a dog", ("A",)), ("a dog", ("A",))) == 0.0
    assert score(ContainsAnswer(), ("It is a dog", ("A",))) == 0.0


def test_strict() -> None:
    assert score(ExactMatch(strict=True), (" cat\n", ("cat",)), ("Cat", ("cat",))) == 50.0
