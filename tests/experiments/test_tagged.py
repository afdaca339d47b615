"""Units and systems of the experiment; the trainings take hours."""

from experiments.habit_systems import make_systems
from experiments.one_prompt import TASKS
from experiments.tagged import LENGTHS, SYSTEMS, list_units, split_stages


def test_units_are_a_model_a_task_and_the_systems_for_three_seeds() -> None:
    units = list(list_units())
    assert len({unit.path for unit in units}) == len(units) == 2 * 3 * (len(TASKS) + 15)
    assert {unit.system for unit in units} == set(SYSTEMS)


def test_awaker_takes_as_many_steps_as_the_others() -> None:
    assert split_stages(48) == (12, 24, 12)
    for steps in LENGTHS:
        for name, recipe in make_systems(split_stages(steps)).items():
            if name.startswith("awaker"):
                assert sum(stage.steps or 0 for stage in recipe.stages) == steps
