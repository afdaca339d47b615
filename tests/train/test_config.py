"""The configuration of a run: what it refuses, how stages share steps, and that it is read back."""

from pathlib import Path

import pytest

import coterie
from coterie.models.loading import load
from coterie.tasks import as_task_set
from coterie.tasks.text.batches import TextCollator
from coterie.train import RunConfig
from tests.train.small import OPTIONS, base, plain, tasks


def test_plans_say_what_they_do_not_allow(unchecked):
    given = {"recipe": plain(), "base": base(), "tasks": as_task_set(tasks())}
    for wrong, message in (
        ({"tasks": as_task_set(())}, "give at least one task"),
        ({"tasks": ()}, "give a TaskSet"),
        ({"precision": "float16"}, "precision='float16'"),
        ({"batch_size": 0}, "batch_size=0: it must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: it must be above 0"),
        ({"accumulation": 3}, "accumulation=3 does not divide the batch size 8 of stage 'train'"),
    ):
        with pytest.raises(ValueError, match=message):
            RunConfig(**(given | wrong))
    with pytest.raises(ValueError, match="steps=1: recipe 'awaker' has 3 stages"):
        RunConfig(**given | {"recipe": coterie.recipes.awaker(), "steps": 1})


def test_stages_share_out_steps_and_learning_rates():
    recipe = coterie.recipes.awaker()
    plan = RunConfig(
        recipe=recipe, base=base(), tasks=as_task_set(tasks()), steps=10, learning_rate=1e-3
    )
    stages = plan.resolve_stages((12, 6))
    # equal epochs: 10 / 3 each; rates 1e-5, 1e-5, 5e-6 of the recipe times 100
    assert [stage.steps for stage in stages] == [4, 3, 3]
    assert [stage.learning_rate for stage in stages] == pytest.approx([1e-3, 1e-3, 5e-4])
    longer = RunConfig(
        recipe=coterie.recipes.awaker(epochs=(1, 3, 1)), base=base(), tasks=plan.tasks, steps=50
    ).resolve_stages((12, 6))
    assert [stage.steps for stage in longer] == [10, 30, 10]
    slow = plain(learning_rate=1e-2, learning_rates={"gates": 1e-3})
    (stage,) = RunConfig(
        recipe=slow, base=base(), tasks=as_task_set(tasks()), learning_rate=1e-1
    ).resolve_stages((12, 6))
    assert stage.learning_rates == {"gates": pytest.approx(1e-2)}
    own = RunConfig(recipe=recipe, base=base(), tasks=as_task_set(tasks())).resolve_stages((12, 6))
    assert [stage.steps for stage in own] == [5, 5, 5]  # 18 rows by 4


def test_a_plan_is_read_back_or_refused(tmp_path: Path):
    plan = RunConfig(
        recipe=plain(), base=base(), tasks=as_task_set(tasks()), **without(OPTIONS, "progress")
    )
    (tmp_path / "run.json").write_text(plan.dumps())
    assert RunConfig.read(tmp_path) == plan
    plain().save(tmp_path / "other.json")
    with pytest.raises(ValueError, match="holds a Recipe, not a run's configuration"):
        RunConfig.read(tmp_path / "other.json")
    with pytest.raises(ValueError, match="is not a file: give a run's folder"):
        RunConfig.read(tmp_path / "none")


def without(options: dict, *names: str) -> dict:
    return {key: value for key, value in options.items() if key not in names}


def test_rows_of_packed_samples_are_as_long_as_attention_allows():
    given = {"recipe": plain(), "base": base(), "tasks": as_task_set(tasks()), "packing": True}
    words = load(base(), device="cpu").processor
    assert RunConfig(**given, max_length=50).make_collator(words).max_length == 50
    assert RunConfig(**given).make_collator(words).max_length is None
    flash = {"attention": "flash_attention_2", "precision": "bfloat16"}
    assert RunConfig(**given, **flash, max_length=50).make_collator(words).max_length is None
    assert type(RunConfig(**given | {"packing": False}).make_collator(words)) is TextCollator
