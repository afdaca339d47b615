"""FoodLMM's and Uni-Food's JSON, with the key `form`."""

import json
from pathlib import Path
from typing import Any

import pytest

from coterie.datasets.questions.food_conversations import FoodConversations, find_task


def turns(*texts: str) -> list[dict[str, str]]:
    """Questions and answers in turn."""
    return [{"form": ("question", "answer")[i % 2], "value": text} for i, text in enumerate(texts)]


def make(folder: Path, *items: Any, **fields: Any) -> FoodConversations:
    file = folder / "train.json"
    file.write_text(json.dumps(items))
    return FoodConversations(file=str(file), images=str(folder / "images"), **fields)


def test_each_question_is_a_row_of_its_task(tmp_path: Path) -> None:
    texts = turns("<image>\nWhat are the ingredients?", "They are salt.", "The recipe?", "Boil.")
    rows, bad = make(tmp_path, {"image": "0a1b2c.jpg", "conversations": texts}).read()
    image = str(tmp_path / "images/0/a/1/b/0a1b2c.jpg")  # as Recipe1M+ nests it
    assert bad == () and rows == [
        ("ingredients", {"id": "0a1b2c", "image": image, "question": "What are the ingredients?",
                         "answer": "They are salt."}),
        ("recipe", {"id": "0a1b2c", "image": image, "question": "The recipe?", "answer": "Boil."}),
    ]  # fmt: skip


def test_plain_folder_one_task_and_a_first_answer(tmp_path: Path) -> None:
    item = {
        "image": "a.jpg",
        "conversations": [{"form": "answer", "value": "Hi"}, *turns("?", "3")],
    }
    rows, _ = make(tmp_path, item, nested=False, task="nutrition").read()
    assert [(task, row["image"], row["answer"]) for task, row in rows] == [
        ("nutrition", str(tmp_path / "images/a.jpg"), "3")
    ]
    with pytest.raises(ValueError, match=r"task = 'recipes' \(did you mean recipe\?\): give"):
        make(tmp_path, task="recipes")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (3, r"train\.json\[0\]: row: is 3: give an object"),
        ({"image": "a"}, r"conversations: is None: give a list of questions and answers"),
        ({"image": "a", "conversations": [{"from": "human"}]},
         r"conversations\[0\]\.form: is missing: the keys are 'from'"),
        ({"image": "a", "conversations": turns("a", "b", "c")},
         r"conversations\[2\]: has no answer after it"),
        ({"image": "a", "conversations": turns("a", "b")[:1] * 2},
         r"conversations\[1\]\.form: is 'question': 'answer' comes here"),
        ({"image": "a", "conversations": turns("Where?", "b")},
         r"conversations: asks 'Where\?', which names none of nutrition, recipe"),
    ],
)  # fmt: skip
def test_bad_records(tmp_path: Path, item: Any, said: str) -> None:
    rows, bad = make(tmp_path, item).read()
    assert rows == []
    with pytest.raises(ValueError, match=said):
        raise ValueError(str(bad[0]))


def test_questions_of_foodlmm_are_of_their_tasks() -> None:
    for task, questions in {
        "category": ["What is the name of this dish?", "Which dish is depicted in the picture?"],
        "ingredients": ["Can you list the components of the dish shown in the photo?",
                        "What is the dish in the picture made of?"],
        "nutrition": ["Can you detail the food's ingredients and calorie count?"],
        "recipe": ["Please give the cooking instructions.", "How is this dish made?"],
    }.items():  # fmt: skip
        assert {find_task(each) for each in questions} == {task}
