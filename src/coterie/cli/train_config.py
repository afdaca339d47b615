"""What `coterie train` is told, as a plan: a recipe by name, or a run to repeat, with changes."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from coterie import recipes, serialization
from coterie.annotations import coerce, describe_annotation, get_annotations, matches_annotation
from coterie.cli.overrides import Override, set_at_path
from coterie.recipe import RECIPE_FILE, Recipe
from coterie.train import RunConfig
from coterie.train.run_directory import RunDirectory

SYSTEMS: Mapping[str, Callable[..., Recipe]] = {
    name: getattr(recipes, name) for name in recipes.__all__
}


def build_config(recipe: str, settings: Sequence[Override], given: Mapping[str, Any]) -> RunConfig:
    """The plan of a training.

    Args:
        recipe: a name in coterie.recipes; or a file that holds a recipe or a run's plan; or a
            run's folder, whose plan is repeated.
        settings: each an argument of the recipe's function, a path inside the recipe, or a path
            inside the plan, looked for in that order.
        given: fields of the plan; a recipe without a plan needs at least base and tasks.

    Raises ValueError for an unknown recipe or path, and for values that do not fit.
    """
    arguments = tuple(inspect.signature(SYSTEMS[recipe]).parameters) if recipe in SYSTEMS else ()
    own = {each.path: each.value for each in settings if each.path in arguments}
    plan = apply_flags(
        call_recipe(recipe, own) if recipe in SYSTEMS else read_recipe_or_config(recipe), given
    )
    for each in settings:
        if each.path not in arguments:
            path = resolve_path(plan, each, arguments)
            plan = set_at_path(plan, path, each.value, name="plan")
    return plan


def call_recipe(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """The recipe that a function of coterie.recipes returns for the arguments."""
    hints = get_annotations(SYSTEMS[name])
    for argument, value in arguments.items():
        if not matches_annotation(value, hints[argument]):
            raise ValueError(
                f"--set: {argument} takes {describe_annotation(hints[argument])}, not {value!r}"
            )
    try:
        # A list of JSON is a tuple to a recipe, and 16 is as good as 16.0.
        loaded = {key: serialization.load(value, name=key) for key, value in arguments.items()}
        return SYSTEMS[name](**{key: coerce(loaded[key], hints[key]) for key in loaded})
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
        raise ValueError(f"recipe {name}({given}): {error}") from error


def read_recipe_or_config(recipe: str) -> Recipe | RunConfig:
    """The recipe or plan in a file, or in a run's folder."""
    path = Path(recipe)
    if path.is_dir():
        directory = RunDirectory(path)
        path = directory.config_file if directory.is_run else path / RECIPE_FILE
    if not path.is_file():
        raise ValueError(
            f"{recipe!r} is no recipe{serialization.format_suggestions(recipe, SYSTEMS)}: give one of "
            f"{', '.join(SYSTEMS)}, a recipe's JSON file, or a run's folder"
        )
    found = serialization.loads(path.read_text(encoding="utf-8"), name=str(path))
    if not isinstance(found, Recipe | RunConfig):
        raise ValueError(f"{path} holds a {type(found).__name__}, no recipe and no run's plan")
    return found


def apply_flags(found: Recipe | RunConfig, given: Mapping[str, Any]) -> RunConfig:
    """The plan with the fields that were given; a bare recipe makes a new one."""
    if isinstance(found, RunConfig):
        return replace(found, **given)
    missing = [name for name in ("base", "tasks") if name not in given]
    if missing:
        raise ValueError(
            f"recipe {found.name!r} says nothing of model and data: give "
            f"{' and '.join(f'--{name}' for name in missing)}"
        )
    return RunConfig(recipe=found, **given)


def resolve_path(plan: RunConfig, setting: Override, arguments: Sequence[str]) -> str:
    """The setting's path, from the plan on."""
    inside, around = list_field_names(plan.recipe), list_field_names(plan)
    if setting.head in inside:
        return f"recipe.{setting.path}"
    if setting.head in around:
        return setting.path
    known = [*arguments, *inside, *around]
    raise ValueError(
        f"--set {setting.path}: nothing is called {setting.head!r}"
        f"{serialization.format_suggestions(setting.head, known)}; there are {', '.join(dict.fromkeys(known))}"
    )


def list_field_names(value: Recipe | RunConfig) -> list[str]:
    """The names of a value's fields."""
    return [field.name for field in fields(value)]


def fields_of(plan: RunConfig) -> dict[str, Any]:
    """The plan's fields, as `coterie.train` takes them."""
    found = {name: getattr(plan, name) for name in list_field_names(plan) if name != "pictures"}
    return found | {"tasks": plan.tasks if plan.pictures is None else plan.pictures}
