"""Every run of a study with its steps, its folder and its configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coterie import recipes
from coterie.data.task_sampling import TaskSampling
from coterie.study.plan import StudyPlan
from coterie.study.systems import choose_systems
from coterie.task_file import read_tasks


def plan(user: Path, **options: Any) -> StudyPlan:
    tasks = read_tasks(user / "data" / "tasks.yaml")
    given = {"systems": choose_systems(["rode"], tasks), "settings": {"steps": 5}} | options
    return StudyPlan(base=str(user / "model"), tasks=tasks, out=user / "study", **given)


def test_steps_and_folders(user: Path) -> None:
    planned = plan(user, seeds=(0, 3))
    found = {run.name: (run.steps, run.config.seed, run.config.task_names) for run in planned.runs}
    both = ("first", "second")
    # Six rows each: half of the five steps is more than two, so the first gets the odd one.
    assert found == {
        "shared_lora": (5, 0, both),
        "shared_lora-seed3": (5, 3, both),
        "single_task-first": (3, 0, ("first",)),
        "single_task-second": (2, 0, ("second",)),
        "single_task-first-seed3": (3, 3, ("first",)),
        "single_task-second-seed3": (2, 3, ("second",)),
        "rode": (5, 0, both),
        "rode-seed3": (5, 3, both),
    }
    assert {run.config.batch_size for run in planned.runs} == {8}
    assert not planned.has_media  # rows of text alone have no blind control


def test_the_first_mixture_says_how_long_and_how_large_where_nothing_else_does(user: Path) -> None:
    tasks = read_tasks(user / "data" / "tasks.yaml")
    systems = choose_systems([recipes.rode(epochs=2.0), recipes.moelora()], tasks)
    planned = plan(user, systems=systems, settings={"batch_size": 4})
    # Twelve rows are three batches of four, and two passes six.
    assert planned.steps == 6 and {
        run.steps for run in planned.runs if run.system != "single_task"
    } == {6}
    equal = plan(user, settings={"steps": 4, "mix": TaskSampling(temperature="equal")})
    assert [run.steps for run in equal.runs] == [4, 2, 2, 4]
    # Three samples of the first task for each of the second.
    first, second = tasks.tasks
    weighted = replace(tasks, tasks=(replace(first, weight=3.0), second))
    planned = StudyPlan(
        base="model", tasks=weighted, out=user, systems=systems, settings={"steps": 4}
    )
    assert [run.steps for run in planned.runs] == [4, 3, 1, 4, 4]


def test_a_step_for_each_task_alone(user: Path) -> None:
    said = "^steps=1: single_task shares them out among models of 2 tasks: give at least 2$"
    with pytest.raises(ValueError, match=said):
        list(plan(user, settings={"steps": 1}).describe())


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_wrong_seeds(user: Path, seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"seeds=.*: give one or more, each once and at least 0"):
        plan(user, seeds=seeds)
