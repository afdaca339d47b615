"""Answers, units and systems of the experiment; the trainings need a GPU."""

import json

from coterie_demo.pantry.catalog import read_concepts
from experiments.habit_systems import STEPS, make_systems
from experiments.habits import PROMPTS, QUESTIONS, RESULTS, answer, list_units


def test_each_annotator_has_an_answer_of_its_own() -> None:
    dog = next(concept for concept in read_concepts() if concept.name == "dog")
    wanted = {
        "name": ["dog"], "kind": "animal", "french": "chien", "german": "Hund",
        "spanish": "perro", "finnish": "koira",
    }  # fmt: skip
    assert {task: answer(dog, task) for task in QUESTIONS} == wanted


def test_units_are_of_known_systems_and_have_folders_of_their_own() -> None:
    units = list_units()
    assert len({unit.path for unit in units}) == len(units)
    assert {unit.system for unit in units} == set(make_systems())
    # A model a task, in both regimes, for three seeds; then 8 and 5 systems and 9 ablations.
    assert len(units) == 3 * (2 * 6 + 8 + 5 + 9)


def test_awaker_takes_as_many_steps_as_the_others() -> None:
    for name, recipe in make_systems().items():
        if name.startswith("awaker"):
            assert sum(stage.steps or 0 for stage in recipe.stages) == STEPS


def test_the_committed_result_is_of_these_tasks() -> None:
    facts = json.loads((RESULTS / "habits-cuda.json").read_text())
    assert facts["questions"] == QUESTIONS and facts["steps"] == STEPS
    for regime in PROMPTS:
        table = facts["regimes"][regime]["table"]
        assert {column["name"] for column in table["columns"]} == set(QUESTIONS)
