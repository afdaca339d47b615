"""chrF, as sacrebleu has it."""

import pytest
import sacrebleu

from coterie.metrics.text.chrf import Chrf
from tests.metrics.cases import pairs, score


def test_by_hand() -> None:
    # Characters a b of a b c: precision 1, recall 2/3; pairs ab of ab bc: 1, 1/2. Means 1 and
    # 7/12; F2 = 5 * 7/12 / (4 + 7/12) = 35/55.
    assert score(Chrf(), ("ab", ("abc",))) == pytest.approx(100 * 35 / 55)


@pytest.mark.parametrize("word_order", [0, 2])
def test_as_sacrebleu(word_order: int) -> None:
    first, second = pairs(30, seed=4), pairs(30, seed=5)
    cases = [(p, (a, b)) for (p, a), (_, b) in zip(first, second, strict=True)]
    expected = sacrebleu.corpus_chrf(
        [p for p, _ in first],
        [[a for _, a in first], [b for _, b in second]],
        word_order=word_order,
    )
    assert score(Chrf(word_order=word_order), *cases) == pytest.approx(expected.score)
