"""ChartQA's relaxed accuracy."""

import pytest

from coterie.metrics.text.relaxed_accuracy import RelaxedAccuracy
from tests.datasets.questions.answers import make_answers
from tests.metrics.cases import score


@pytest.mark.parametrize(
    ("predicted", "answer", "right"),
    [
        ("95", "100", True),  # exactly 5 percent off
        ("94.9", "100", False),
        ("5%", "0.05", True),
        ("5", "5%", False),
        ("0.0", "0", False),  # an answer of 0 is compared as text
        ("0", "0", True),
        ("about 100", "100", False),  # no number as a whole
        ("Red", "red", True),
        ("reddish", "red", False),
        ("nan", "nan", True),
    ],
)
def test_by_hand(predicted: str, answer: str, right: bool) -> None:
    assert score(RelaxedAccuracy(), (predicted, (answer,))) == 100 * right


def apply_rule(predicted: str, target: str) -> bool:
    """The rule of pix2struct and lmms-eval in other words."""
    values = []
    for text in (predicted, target):
        scale = 100.0 if text[-1:] == "%" else 1.0
        try:
            values.append(float(text.rstrip("%") if scale > 1 else text) / scale)
        except ValueError:
            values.append(None)
    if values[0] is None or values[1] in (None, 0.0):
        return predicted.lower() == target.lower()
    return abs(values[0] / values[1] - 1) <= 0.05 + 1e-12


def test_is_the_plain_rule() -> None:
    targets = ["5", "0.05", "1000", "cats", "yes", "A", "2000", "0", "-5"]
    cases = [(text.strip(), targets[i % len(targets)]) for i, text in enumerate(make_answers())]
    cases += [(text.strip(), target) for text in make_answers(60) for target in targets]
    found = [score(RelaxedAccuracy(), (text, (target,))) for text, target in cases]
    assert found == [100 * apply_rule(*case) for case in cases] and 100 in found and 0 in found


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"RelaxedAccuracy\(tolerance=-1\): give a number"):
        RelaxedAccuracy(tolerance=-1)
