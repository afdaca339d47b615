"""Units and systems of the experiment; the trainings take minutes of a GPU."""

from experiments.habit_systems import make_systems
from experiments.one_prompt import TASKS
from experiments.tagged import STAGES, SYSTEMS, list_units


def test_units_are_a_model_a_task_and_the_systems_for_three_seeds() -> None:
    units = list(list_units())
    assert len({unit.path for unit in units}) == len(units) == 3 * (len(TASKS) + 17)
    assert {unit.system for unit in units} == set(SYSTEMS)


def test_awaker_takes_as_many_steps_as_the_others() -> None:
    for name, recipe in make_systems(STAGES).items():
        if name.startswith("awaker"):
            assert sum(stage.steps or 0 for stage in recipe.stages) == sum(STAGES)
