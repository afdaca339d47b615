"""Answers that try to break the readers: no exception, and what cannot be read is counted."""

import random

import numpy as np
import pytest

from coterie.datasets.questions import mmbench, mme_realworld, pope, scienceqa
from coterie.metrics import parse_metric
from coterie.metrics.base import TextPrediction
from coterie.metrics.text.nutrition_parsing import NUTRIENTS, parse_nutrition

TRUTH = ("mass 200 g, calories 300 kcal, fat 10 g, carbohydrate 20 g, protein 5 g",)
PIECES = (
    "", " ", "\n", "\0", "\ud800", "NaN", "-Infinity", "1e999", "9" * 400, "-0", "\u0663\u0664",
    "\uff11\uff12", "\u00bd", "fat", "Protein:", "calories", "kcal", "carbs", "12 g",
    "3,5 kg", "1,000 mg",
    "100 kJ", "1 500", "5%", "\u78b3\u6c34\u5316\u5408\u7269", "\u0441\u043e\u043b\u044c",
    "\u0645\u0644\u062d",
    '{"fat": 3', '{"ingredients": [1, null, {"name": 3}]}', '["egg"] tail', "[[[[", "]" * 50, "{}",
    '{"calories": {"kcal": "many"}}', "A", "(B)", "Z", "yes", "No.", "The answer is", "\U0001f373",
    "e\u0301" * 20, "\u202e", ",", ";;", "-", "1.", "* ", "and", "Ingredients:", "x" * 200,
)  # fmt: skip


def make_hostile(count: int = 500, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    huge = ["fat 3 g " * 300, "[" * 50_000, "1" * 100_000, "a, " * 2_000, "\n" * 50_000]
    mixed = ("".join(rng.choice(PIECES) + rng.choice((" ", "", ": "))
                     for _ in range(rng.randint(0, 12))) for _ in range(count))  # fmt: skip
    return [*huge, *PIECES, *mixed][:count]


ANSWERS = make_hostile()


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("ingredient_iou", ("egg, salt",)), ("ingredient_f1", ("egg, salt",)),
        ("nutrition_pmae", TRUTH), ("nutrition_mae", TRUTH), ("relaxed_accuracy", ("5",)),
    ],
)  # fmt: skip
def test_metrics_have_finite_statistics(name: str, answers: tuple[str, ...]) -> None:
    metric = parse_metric(name)
    rows = np.stack([metric.statistics(TextPrediction(text=x), answers) for x in ANSWERS])
    assert len(rows) == 500 and np.isfinite(rows).all() and np.isfinite(metric.score(rows.sum(0)))


def test_missing_amounts_are_counted() -> None:
    metric = parse_metric("nutrition_pmae")
    total = sum(metric.statistics(TextPrediction(text=x), TRUTH) for x in ANSWERS)
    parsed = [parse_nutrition(text) for text in ANSWERS]
    details = metric.describe(np.asarray(total))
    for name in NUTRIENTS:
        missing = sum(name not in amounts for amounts in parsed)
        assert details[f"missing {name}, counted as 0"] == missing and 0 < missing < 500


def test_choices_are_one_of_those_there_are_or_none() -> None:
    options = {"A": "egg", "B": "salt"}
    choices = [f"({letter}) {text}" for letter, text in options.items()]
    for text in ANSWERS:
        assert mmbench.choose(text, options) in ("", "A", "B")
        assert mme_realworld.choose(text, choices) in ("", *mme_realworld.LETTERS)
        assert mme_realworld.choose(text, choices, as_released=True) in ("", *"ABCDE")
        assert scienceqa.choose(text, 2) in ("", "A", "B")
        assert pope.says_yes(text) in (True, False)
