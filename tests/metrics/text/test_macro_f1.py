"""The F1 of classes."""

import random

import pytest
from sklearn.metrics import f1_score

from coterie.metrics.text.macro_f1 import MacroF1
from tests.metrics.cases import score, text_statistics

LABELS = ("cat", "dog", "owl")


def test_by_hand() -> None:
    # cat: predicted 2, right 1, both 1: 2/3. dog: predicted 1, right 2, both 1: 2/3. No owl.
    cases = [("Cat.", ("cat",)), ("cat", ("dog",)), ("dog", ("dog",))]
    assert score(MacroF1(labels=LABELS), *cases) == pytest.approx(200 / 3)


def test_what_is_no_label_is_wrong_and_no_class() -> None:
    # cat: both 1, right 2, predicted 1: 2/3; nothing else is there.
    assert score(MacroF1(labels=LABELS), ("cat", ("cat",)), ("cow", ("cat",))) == pytest.approx(
        200 / 3
    )


def test_of_several_answers_the_predicted_one_counts() -> None:
    assert score(MacroF1(labels=LABELS), ("owl", ("cat", "owl"))) == 100
    assert score(MacroF1(labels=LABELS), ("dog", ("cat", "owl"))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn(seed: int) -> None:
    rng = random.Random(seed)
    right = rng.choices(LABELS, k=20)
    predicted = rng.choices([*LABELS, "cow"], k=20)
    there = sorted({*right, *predicted} & set(LABELS))
    expected = f1_score(right, predicted, labels=there, average="macro", zero_division=0)
    cases = [(p, (r,)) for p, r in zip(predicted, right, strict=True)]
    assert score(MacroF1(labels=LABELS), *cases) == pytest.approx(100 * expected)


def test_fit_takes_the_labels_of_the_answers() -> None:
    metric = MacroF1().fit([("Dog",), ("cat", "dog")])
    assert metric == MacroF1(labels=("cat", "Dog"))
    assert metric.fit([("owl",)]) == metric


def test_what_is_refused(unchecked) -> None:
    with pytest.raises(ValueError, match=r"call `fit` with the answers"):
        text_statistics(MacroF1(), "a", ("a",))
    with pytest.raises(ValueError, match=r"'cow' is no label: they are cat, dog, owl"):
        MacroF1(labels=LABELS).check(("cow",))
    with pytest.raises(ValueError, match=r"MacroF1\(labels='cat'\): give a list of texts"):
        MacroF1(labels="cat")
    with pytest.raises(ValueError, match=r"two of them are the same"):
        MacroF1(labels=("cat", "Cat"))
