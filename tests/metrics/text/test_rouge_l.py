"""ROUGE-L, as rouge-score has it."""

import pytest
from rouge_score.rouge_scorer import RougeScorer

from coterie.metrics.text.rouge_l import RougeL
from tests.metrics.cases import pairs, score


def test_by_hand() -> None:
    # The longest common subsequence of "a b c" and "a x c d" is "a c": 2 * 2 / (3 + 4).
    assert score(RougeL(), ("a x c d", ("a b c", "z"))) == pytest.approx(400 / 7)


def test_stems() -> None:
    assert score(RougeL(stem=True), ("running cats", ("running cat",))) == pytest.approx(100)
    assert score(RougeL(), ("running cats", ("running cat",))) == pytest.approx(50)


def test_as_rouge_score() -> None:
    cases = pairs(40, seed=6)
    scorer = RougeScorer(["rougeL"])
    expected = [scorer.score(a, p)["rougeL"].fmeasure for p, a in cases]
    assert score(RougeL(), *((p, (a,)) for p, a in cases)) == pytest.approx(
        100 * sum(expected) / len(expected)
    )
