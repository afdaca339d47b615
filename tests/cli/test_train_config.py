"""`coterie train`'s arguments as a configuration: recipes, flags, and `--set` overrides."""

import re
from pathlib import Path
from typing import Any

import pytest

from coterie import CAGrad
from coterie.cli.train_config import SYSTEMS, build_config, parse_override, set_at_paths
from coterie.recipe import Recipe
from coterie.recipes import awaker, rode
from coterie.tasks import DenseTasks, TextTask, TextTasks
from coterie.tasks.dense.augment import Augment
from coterie.tasks.dense.vision_config import VisionConfig
from coterie.train import RunConfig
from coterie_demo.scenes.dataset import Scenes

TASKS = TextTasks(tasks=(TextTask(name="ocr", rows={"train": "rows.jsonl"}),))
GIVEN: dict[str, Any] = {"base": "model", "tasks": TASKS}


def settings(*texts: str) -> list[tuple[str, Any]]:
    return [parse_override(text) for text in texts]


def test_a_name_is_a_recipe() -> None:
    assert build_config("rode", [], GIVEN) == RunConfig(recipe=rode(), **GIVEN)
    assert "shared_lora" in SYSTEMS and "awaker" in SYSTEMS


def test_settings_go_to_the_function_the_recipe_and_the_plan() -> None:
    config = build_config(
        "rode",
        settings("ranks=2,4", "stages.0.warmup=0.5", "mix.temperature=equal", "save_every=7"),
        GIVEN | {"seed": 3},
    )
    assert config.recipe.mixtures == rode(ranks=(2, 4)).mixtures
    assert config.recipe.stages[0].warmup == 0.5 and config.save_every == 7 and config.seed == 3
    assert config.mix.temperature == "equal"


def test_awakers_stages_get_their_lengths() -> None:
    config = build_config("awaker", settings("epochs=1,3,1"), GIVEN | {"steps": 10})
    assert [stage.epochs for stage in config.recipe.stages] == [1, 3, 1]
    with pytest.raises(ValueError, match=r"awaker\(epochs=.*: give one number, or one for each of"):
        build_config("awaker", settings("epochs=1,3"), GIVEN)


def test_uni_moes_branches_and_runs_to_start_from() -> None:
    texts = ('branches={"reading": ["ocr"]}', "stages=alignment,experts,unified", "epochs=2,1,3")
    stages = build_config("uni_moe", settings(*texts), GIVEN).recipe.stages
    assert [stage.name for stage in stages] == ["alignment", "experts-reading", "unified"]
    assert [stage.epochs for stage in stages] == [2, 1, 3] and stages[1].tasks == ("ocr",)
    texts = ("stages=unified", "experts_from=runs/a,runs/b/stages/c", "connectors_from=runs/a")
    (stage,) = build_config("uni_moe", settings(*texts), GIVEN).recipe.stages
    ends = [Path(each).relative_to(Path.cwd()) for each in (stage.start_from, *stage.experts_from)]
    assert ends == [Path("runs/a"), Path("runs/a"), Path("runs/b/stages/c")]


def test_settings_reach_into_the_task_set(unchecked: None) -> None:
    vision = VisionConfig(shared_layers=2, augment=Augment(flip=0.0))
    flags = {"base": "model", "tasks": DenseTasks(dataset=Scenes(), vision=vision)}
    texts = ("vision.shared_layers=9", "vision.augment.crop=(112,112)", "mlp=4,2")
    config = build_config("mod_squad", settings(*texts), flags)
    assert config.tasks == DenseTasks(
        dataset=Scenes(),
        vision=VisionConfig(shared_layers=9, augment=Augment(crop=(112, 112), flip=0.0)),
    )
    assert config.recipe.mixtures[1].router.k == 2  # pyright: ignore
    config = build_config("mod_squad", settings("dataset.names=('depth','edges')"), flags)
    assert config.task_names == ("depth", "edges")


def test_a_kind_of_a_part_is_named_by_its_class() -> None:
    text = 'balancing={"is": "coterie:CAGrad", "c": 0.2}'
    assert build_config("rode", settings(text), GIVEN).recipe.balancing == CAGrad(c=0.2)


def test_the_function_comes_first() -> None:
    # Recipes' functions and the plan both have a learning_rate.
    assert build_config("rode", settings("learning_rate=1e-2"), GIVEN).learning_rate is None
    config = build_config("mod_squad", settings("normalize=selected", "learning_rate=1e-2"), GIVEN)
    assert config.recipe.stages[0].learning_rate == 1e-2


@pytest.mark.parametrize("whole", [True, False])
def test_files_and_folders(whole: bool, tmp_path: Path) -> None:
    config = RunConfig(recipe=rode(epochs=2.0), **GIVEN)
    file = tmp_path / ("run.json" if whole else "recipe.json")
    file.write_text(config.dumps() if whole else config.recipe.dumps())
    given = {} if whole else GIVEN
    assert build_config(str(tmp_path), [], given) == config
    changed = build_config(str(file), settings("stages.0.epochs=3"), given)
    assert changed.recipe == rode(epochs=3.0)
    assert build_config(str(tmp_path), [], given | {"seed": 5}).seed == 5


@pytest.mark.parametrize(
    ("recipe", "texts", "said"),
    [
        ("rod", [], "'rod' is no recipe (did you mean rode?): give one of"),
        ("rode", ["rank=3"], "--set rank: there is no 'rank' (did you mean ranks?)"),
        ("rode", [f"{'a' * 3000}=3"], f"--set {'a' * 80}...: there is no 'aaaaaaaaaaaa"),
        ("rode", ["ranks=3"], "--set: ranks takes tuple[int, ...], not 3"),
        ("rode", ["ranks=0,2"], "recipe rode(ranks=(0, 2)): "),
        (
            "rode",
            ["stages.0.epoch=3"],
            "config.recipe.stages.0 has no 'epoch' (did you mean epochs?)",
        ),
        ("rode", ["mix.temperature=0.5"], "give a number, at least 1"),
        (
            "rode",
            ["precision=float16"],
            "config.precision takes typing.Literal['float32'",
        ),
        ("uni_moe", ["layers=odd"], "--set: layers takes typing.Literal['all', 'even'], not 'odd'"),
        ("shared_lora", ["seeds=1"], "there is no 'seeds' (did you mean seed"),
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
    file.write_text('{"is": "coterie:Mixture"}')
    with pytest.raises(
        ValueError, match=r"holds a Mixture .*, where a Recipe or a RunConfig is wanted"
    ):
        build_config(str(file), [], GIVEN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rank=8", 8),
        ("rank = 8 ", 8),
        ("rate=3e-4", 3e-4),
        ("rate=.5", 0.5),
        ("ranks=[4, 8]", [4, 8]),
        ("ranks=4,8", (4, 8)),
        ("aux=true", True),
        ("aux=True", True),
        ("steps=null", None),
        ("at=text.mlp", "text.mlp"),
        ("at='8'", "8"),
        ("note=a=b", "a=b"),
        ("note=", ""),
    ],
)
def test_values_are_json_or_python_or_text(text: str, value: object) -> None:
    assert parse_override(text)[1] == value


def test_paths() -> None:
    assert parse_override(" stages.0.learning_rate =1e-4")[0] == "stages.0.learning_rate"


@pytest.mark.parametrize("text", ["rank", "=8", " = 8", ""])
def test_a_setting_has_a_path_and_a_value(text: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=re.escape("give path=value, as in --set rank=8")):
        parse_override(text)


def test_parts_are_replaced() -> None:
    recipe = awaker()
    found = set_at_paths(recipe, [("stages.1.learning_rate", 1e-3)], name="recipe")
    assert [stage.learning_rate for stage in found.stages] == [1e-5, 1e-3, 5e-6]
    assert found.mixtures == recipe.mixtures and recipe == awaker()
    assert set_at_paths(rode(), [("mixtures.0.experts.ranks", [2, 2])], name="recipe").mixtures[
        0
    ].main.ranks == (2, 2)  # pyright: ignore[reportAttributeAccessIssue]


def test_whole_parts_are_replaced() -> None:
    gate = {"is": "coterie:TaskGate", "per_token": False}
    found = set_at_paths(rode(), [("mixtures.0.gate", gate)], name="recipe")
    assert type(found.mixtures[0].gate).__name__ == "TaskGate"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("stagse.0.steps", 1, "recipe has no 'stagse' (did you mean stages?)"),
        ("stages.1.steps", 1, "recipe.stages has no '1'; it has 0"),
        ("stages.-1.steps", 1, "recipe.stages has no '-1'; it has 0"),
        ("stages.0.step", 1, "recipe.stages.0 has no 'step' (did you mean steps?)"),
        ("stages.0.is", "x", "recipe.stages.0 has no 'is'"),
        ("name.first", 1, "recipe.name is 'rode', which has no part 'first'"),
        ("stages.0.steps", "many", "recipe.stages.0.steps takes int | None, not 'many'"),
        ("mixtures.0.experts.ranks", 4, "takes tuple[int, ...], not 4"),
        ("mixtures.0.experts.ranks.0", 1.5, "recipe.mixtures.0.experts.ranks.0 takes int, not 1.5"),
        ("stages.0.learning_rate", -1, "learning_rate=-1.0: it must be above 0"),
        ("stages.0.schedule", "cubic", "recipe.stages.0.schedule takes typing.Literal['cosine'"),
        ("losses", 3, "recipe.losses takes tuple"),
    ],
)
def test_what_does_not_fit_is_refused(path: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        set_at_paths(rode(), [(path, value)], name="recipe")


def test_the_order_of_settings_does_not_matter() -> None:
    # Shares follow validations, so that neither fits without the other; the step is inside.
    adaptation = {"is": "coterie.data:ShareAdaptation"}
    changes = [
        ("mix.adaptation", adaptation), ("mix.adaptation.step", 0.2), ("evaluate_every", 5)
    ]  # fmt: skip
    flags = {"base": "base", "tasks": TASKS}
    found = build_config("rode", changes[:1] + changes[2:], flags)
    assert found == build_config("rode", changes[2:] + changes[:1], flags)
    assert found.mix.adaptation is not None and found.mix.adaptation.step == 0.1
    inside = build_config("rode", changes[2:] + changes[:2], flags)
    assert inside.mix.adaptation is not None and inside.mix.adaptation.step == 0.2
    with pytest.raises(ValueError, match="Give evaluate_every, and workers=0"):
        build_config("rode", changes[:1], flags)


def test_the_result_is_a_recipe() -> None:
    assert isinstance(set_at_paths(rode(), [("name", "mine")], name="recipe"), Recipe)
