"""What `coterie train` is told, as a plan."""

import re
from pathlib import Path
from typing import Any

import pytest

from coterie.cli.overrides import Override
from coterie.cli.train_config import SYSTEMS, build_config, fields_of
from coterie.recipes import rode
from coterie.tasks import TextTask
from coterie.train import RunConfig

TASKS = (TextTask(name="ocr", rows={"train": "rows.jsonl"}),)
GIVEN: dict[str, Any] = {"base": "model", "tasks": TASKS}


def settings(*texts: str) -> list[Override]:
    return [Override.parse(text) for text in texts]


def test_a_name_is_a_recipe() -> None:
    assert build_config("rode", [], GIVEN) == RunConfig(recipe=rode(), **GIVEN)
    assert "shared_lora" in SYSTEMS and "awaker" in SYSTEMS


def test_settings_go_to_the_function_the_recipe_and_the_plan() -> None:
    plan = build_config(
        "rode",
        settings("ranks=2,4", "stages.0.warmup=0.5", "mix.temperature=equal", "save_every=7"),
        GIVEN | {"seed": 3},
    )
    assert plan.recipe.mixtures == rode(ranks=(2, 4)).mixtures
    assert plan.recipe.stages[0].warmup == 0.5 and plan.save_every == 7 and plan.seed == 3
    assert plan.mix.temperature == "equal"


def test_the_function_comes_first() -> None:
    # Recipes' functions and the plan both have a learning_rate.
    assert build_config("rode", settings("learning_rate=1e-2"), GIVEN).learning_rate is None
    plan = build_config("mod_squad", settings("normalize=selected", "learning_rate=1e-2"), GIVEN)
    assert plan.recipe.stages[0].learning_rate == 1e-2


@pytest.mark.parametrize("whole", [True, False])
def test_files_and_folders(whole: bool, tmp_path: Path) -> None:
    plan = RunConfig(recipe=rode(epochs=2.0), **GIVEN)
    file = tmp_path / ("run.json" if whole else "recipe.json")
    file.write_text(plan.dumps() if whole else plan.recipe.dumps())
    given = {} if whole else GIVEN
    assert build_config(str(tmp_path), [], given) == plan
    changed = build_config(str(file), settings("stages.0.epochs=3"), given)
    assert changed.recipe == rode(epochs=3.0)
    assert build_config(str(tmp_path), [], given | {"seed": 5}).seed == 5
    assert RunConfig(**fields_of(plan)) == plan


@pytest.mark.parametrize(
    ("recipe", "texts", "said"),
    [
        ("rod", [], "'rod' is no recipe (did you mean rode?): give one of"),
        ("rode", ["rank=3"], "--set rank: nothing is called 'rank' (did you mean ranks?)"),
        ("rode", ["ranks=3"], "--set: ranks takes tuple[int, ...], not 3"),
        ("rode", ["ranks=0,2"], "recipe rode(ranks=(0, 2)): "),
        (
            "rode",
            ["stages.0.epoch=3"],
            "plan.recipe.stages.0 has no 'epoch' (did you mean epochs?)",
        ),
        ("rode", ["mix.temperature=0.5"], "give a number, at least 1"),
        (
            "rode",
            ["precision=float16"],
            "plan.precision takes typing.Literal['float32'",
        ),
        ("uni_moe", ["layers=odd"], "--set: layers takes typing.Literal['all', 'even'], not 'odd'"),
        ("shared_lora", ["seeds=1"], "nothing is called 'seeds' (did you mean seed"),
    ],
)
def test_what_is_refused(recipe: str, texts: list[str], said: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        build_config(recipe, settings(*texts), GIVEN)


def test_a_bare_recipe_needs_model_and_data() -> None:
    with pytest.raises(ValueError, match="give --base and --tasks"):
        build_config("rode", [], {})


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mixture.json"
    file.write_text('{"is": "coterie.mixture:Mixture"}')
    with pytest.raises(ValueError, match="holds a Mixture, no recipe and no run's plan"):
        build_config(str(file), [], GIVEN)
