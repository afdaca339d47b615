"""Answers within predictions."""

from coterie.metrics.text.contains import ContainsAnswer
from tests.metrics.cases import score


def test_by_hand() -> None:
    # Whole words only: "cat" is in the first, not in "concatenate"; "ten" is one of two answers.
    cases = [("It is a cat.", ("cat",)), ("concatenate", ("cat",)), ("ten of them", ("10", "ten"))]
    assert round(score(ContainsAnswer(), *cases), 9) == round(200 / 3, 9)


def test_scripts_without_spaces() -> None:
    # "It is Tokyo" has Tokyo's two characters side by side; Kyoto has the second one alone, and
    # its characters are not in that order. In Korean, whole words: Seoul is not in "Seoulite".
    it_is_tokyo, tokyo, kyoto = "\u6771\u4eac\u3067\u3059", "\u6771\u4eac", "\u4eac\u90fd"
    assert score(ContainsAnswer(), (it_is_tokyo, (tokyo,))) == 100
    assert score(ContainsAnswer(), (it_is_tokyo, (kyoto,)), (it_is_tokyo, ("\u4eac\u6771",))) == 0
    assert score(ContainsAnswer(), ("\uc11c\uc6b8\uc778", ("\uc11c\uc6b8",))) == 0
