from dataclasses import replace

import pytest

from coterie import Lora, Mixture, Recipe, TokenGate
from coterie.recipes import uni_moe
from coterie.stage import Stage
from coterie.tasks import TextTasks
from coterie.train.branches import find_datasets, group_by_modality, resolve_branches
from coterie.train.config import RunConfig
from tests.train import progressive, small

NAMES = progressive.NAMES


def test_tasks_are_grouped_by_what_their_rows_have() -> None:
    found = {"a": ("image",), "b": (), "c": ("audio", "image"), "d": ("image",)}
    wanted = {"image": ("a", "d"), "text": ("b",), "audio-image": ("c",)}
    assert group_by_modality(found) == wanted
    tasks = progressive.tasks()
    assert tasks.find_modalities() == {"colour": ("image",), "pitch": ("audio",), "animal": ()}


def test_a_stage_by_modality_becomes_branches() -> None:
    config = RunConfig(recipe=progressive.recipe(), base="b", tasks=progressive.tasks())
    stages = config.recipe.stages
    assert tuple(stage.name for stage in stages) == progressive.STAGES
    assert [stage.tasks for stage in stages] == [(), *((name,) for name in NAMES), ()]
    # Its own file has the branches, and reads no rows again.
    assert resolve_branches(config.recipe, config.tasks) == config.recipe
    # A third of a pass over 12 rows, and a pass over 4, in batches of 2.
    config = replace(config, batch_size=2)
    assert [stage.steps for stage in config.resolve_stages((4, 4, 4))] == [2, 2, 2, 2, 2]


def test_branches_may_be_named() -> None:
    branches = {"senses": ("colour", "pitch"), "words": ("animal",)}
    found = progressive.recipe(branches=branches)
    stages = resolve_branches(found, progressive.tasks()).stages
    assert [(stage.name, stage.tasks) for stage in stages[1:3]] == [
        ("experts-senses", ("colour", "pitch")), ("experts-words", ("animal",))
    ]  # fmt: skip
    wrong = progressive.recipe(branches={"senses": ("color",)})
    with pytest.raises(ValueError, match=r"on task 'color' \(did you mean colour\?\)"):
        resolve_branches(wrong, progressive.tasks())


def test_branches_and_experts_must_fit() -> None:
    tasks = progressive.tasks()
    with pytest.raises(ValueError, match="ends in the branches experts-image, experts-audio"):
        resolve_branches(uni_moe(stages="experts"), tasks)
    one = resolve_branches(uni_moe(stages="experts"), TextTasks(tasks=tasks.tasks[:1]))
    assert [stage.name for stage in one.stages] == ["experts-image"]
    with pytest.raises(ValueError, match=r"starts experts from 3 models, and .* has 2: give at"):
        resolve_branches(progressive.recipe(experts=2), tasks)


def test_folders_become_absolute() -> None:
    mixtures = (Mixture(experts=Lora(ranks=(2, 2)), gate=TokenGate()),)
    stage = Stage(init="assemble", experts_from=("a", "b"), start_from="c")
    recipe = Recipe(mixtures=mixtures, stages=(stage,))
    (found,) = resolve_branches(recipe, TextTasks(tasks=small.tasks())).stages
    assert all(each.startswith("/") for each in (found.start_from, *found.experts_from))
    assert found.start_from.endswith("/c") and found.experts_from[1].endswith("/b")


def test_data_sets_of_a_stage() -> None:
    assert find_datasets(Stage(), ("a", "b"), 1) == [0]
    assert find_datasets(Stage(tasks=("c", "a")), ("a", "b", "c"), 3) == [0, 2]
    with pytest.raises(ValueError, match="all tasks share their samples here"):
        find_datasets(Stage(tasks=("a",)), ("a", "b"), 1)
