"""Shared words."""

import pytest

from coterie.metrics.text.token_f1 import TokenF1
from tests.metrics.cases import pairs, score


def test_by_hand() -> None:
    # "big red cat" and "red dog" share 1: 2 * 1 / (3 + 2). The better answer counts.
    assert score(TokenF1(), ("a big red cat", ("red dog", "x"))) == pytest.approx(40)
    assert score(TokenF1(), ("", ("x",))) == 0
    assert score(TokenF1(), ("x x y", ("x y y",))) == pytest.approx(200 / 3)  # x and y: 2 of 3


def test_nothing_for_nothing_is_right_as_in_squad_2() -> None:
    # arXiv:1806.03822: a question without an answer has the empty answer. Words for it are wrong.
    assert score(TokenF1(), ("", ("",))) == 100
    assert score(TokenF1(), (" \n", ("",)), ("x", ("",)), ("", ("x", ""))) == pytest.approx(200 / 3)


def test_scripts_without_spaces() -> None:
    # "It is Tokyo" has 4 characters, Tokyo 2, of which 2 are shared: 2 * 2 / 6.
    case = ("\u6771\u4eac\u3067\u3059", ("\u6771\u4eac",))
    assert score(TokenF1(), case) == pytest.approx(200 / 3)


def test_as_torchmetrics() -> None:
    from torchmetrics.functional.text import squad

    cases = [(p, (a,)) for p, a in pairs(40, seed=1)]
    theirs = squad(
        [{"prediction_text": p, "id": str(i)} for i, (p, _) in enumerate(cases)],
        [
            {"answers": {"text": list(a), "answer_start": [0]}, "id": str(i)}
            for i, (_, a) in enumerate(cases)
        ],
    )
    assert score(TokenF1(), *cases) == pytest.approx(float(theirs["f1"]))
