"""Dishes become rows of the four tasks, and their answers are read back by the metrics."""

import pytest

from coterie.datasets.questions.base import QuestionTask, compute_metrics
from coterie.datasets.questions.uni_food import NUTRITION_FORM, QUESTIONS, TASKS, Dish
from coterie.metrics import parse_metric
from coterie.metrics.text.nutrition_parsing import NUTRIENTS, parse_nutrition

DISH = Dish(
    image="a.jpg", id="a", category="omelette", ingredients=["Egg", "salt"], recipe="Beat the egg "
    "well. Fry it in butter.", nutrition={"mass": 120.0, "calories": 180.26},
)  # fmt: skip


def test_rows() -> None:
    rows = dict(DISH.make_rows())
    assert {task: row["answer"] for task, row in rows.items()} == {
        "category": "omelette", "ingredients": "Egg, salt",
        "recipe": "Beat the egg well. Fry it in butter.",
        "nutrition": "mass 120 g, calories 180.3 kcal",
    }  # fmt: skip
    assert rows["recipe"]["question"] == QUESTIONS["recipe"]
    assert [*dict(Dish(image="a.jpg", id="a", category="soup").make_rows())] == ["category"]


def test_the_form_in_the_question_is_read() -> None:
    assert set(parse_nutrition(NUTRITION_FORM)) == set(NUTRIENTS)
    assert NUTRITION_FORM in QUESTIONS["nutrition"]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_right_answer_has_the_best_score(task: QuestionTask) -> None:
    row = dict(DISH.make_rows())[task.name]
    rows = [row | {"prediction": row["answer"]}]
    for name in task.metrics:
        best = 100 if parse_metric(name).higher_is_better else 0
        assert compute_metrics([name], rows)[name] == pytest.approx(best)
