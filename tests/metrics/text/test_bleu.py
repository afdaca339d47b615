"""BLEU, as sacrebleu has it."""

import math

import pytest
import sacrebleu

from coterie.metrics.text.bleu import Bleu
from tests.metrics.cases import pairs, score


def test_by_hand() -> None:
    # 5 of 5 words, 4 of 4 pairs, 3 of 3, 2 of 2: 1; one word short: exp(1 - 6 / 5).
    assert score(Bleu(), ("a b c d e", ("a b c d e f",))) == pytest.approx(100 * math.exp(-0.2))


def test_as_sacrebleu() -> None:
    first, second = pairs(30, seed=2), pairs(30, seed=3)
    cases = [(p, (a, b)) for (p, a), (_, b) in zip(first, second, strict=True)]
    expected = sacrebleu.corpus_bleu(
        [p for p, _ in first], [[a for _, a in first], [b for _, b in second]]
    )
    assert score(Bleu(), *cases) == pytest.approx(expected.score)


def test_tokenizer() -> None:
    assert score(Bleu(tokenize="char"), ("abcd", ("abcd",))) == pytest.approx(100)
