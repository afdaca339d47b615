"""The `RunConfig` of `coterie train`: a recipe by name or a saved run, with overrides."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

from coterie import recipes, serialization
from coterie.annotations import coerce, describe_annotation, matches_annotation
from coterie.cli.overrides import Override, set_at_path
from coterie.recipe import RECIPE_FILE, Recipe
from coterie.train import RunConfig
from coterie.train.run_directory import RunDirectory

SYSTEMS: Mapping[str, Callable[..., Recipe]] = {
    name: getattr(recipes, name) for name in recipes.__all__
}


def build_config(recipe: str, overrides: Sequence[Override], flags: Mapping[str, Any]) -> RunConfig:
    """Build the configuration of a run.

    Args:
        recipe: a name in coterie.recipes; or a file with a recipe or a run's configuration; or a
            run's folder, whose configuration is used again.
        overrides: each an argument of the recipe's function, or a path inside the recipe, the
            run's configuration or its task set; the first of these that has the path is changed.
        flags: fields of the configuration; a recipe alone needs at least base and tasks.

    Raises ValueError for an unknown recipe or path, and for values that do not fit.
    """
    arguments = tuple(inspect.signature(SYSTEMS[recipe]).parameters) if recipe in SYSTEMS else ()
    own = {each.path: each.value for each in overrides if each.path in arguments}
    source = call_recipe(recipe, own) if recipe in SYSTEMS else read_recipe_or_config(recipe)
    config = apply_flags(source, flags)
    for each in overrides:
        if each.path not in arguments:
            path = resolve_path(config, each, arguments)
            config = set_at_path(config, path, each.value, name="config")
    return config


def call_recipe(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """Call a function of coterie.recipes with validated arguments."""
    hints = get_type_hints(SYSTEMS[name])
    for argument, value in arguments.items():
        if not matches_annotation(value, hints[argument]):
            raise ValueError(
                f"--set: {argument} takes {describe_annotation(hints[argument])}, not {value!r}"
            )
    try:
        # JSON's lists become tuples, and 16 is accepted as 16.0.
        loaded = {key: serialization.load(value, name=key) for key, value in arguments.items()}
        return SYSTEMS[name](**{key: coerce(loaded[key], hints[key]) for key in loaded})
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
        raise ValueError(f"recipe {name}({given}): {error}") from error


def read_recipe_or_config(recipe: str) -> Recipe | RunConfig:
    """Read the recipe or configuration in a file, or the configuration in a run's folder."""
    path = Path(recipe)
    if path.is_dir():
        directory = RunDirectory(path)
        path = directory.config_file if directory.is_run else path / RECIPE_FILE
    if not path.is_file():
        raise ValueError(
            f"{recipe!r} is no recipe{serialization.format_suggestions(recipe, SYSTEMS)}: give one "
            f"of {', '.join(SYSTEMS)}, a recipe's JSON file, or a run's folder"
        )
    found = serialization.loads(path.read_text(encoding="utf-8"), name=str(path))
    if not isinstance(found, Recipe | RunConfig):
        raise ValueError(
            f"{path} holds a {type(found).__name__}: give a file with a Recipe or a RunConfig"
        )
    return found


def apply_flags(source: Recipe | RunConfig, flags: Mapping[str, Any]) -> RunConfig:
    """Return the configuration with some fields replaced, or a new one for a recipe."""
    if isinstance(source, RunConfig):
        return replace(source, **flags)
    missing = [name for name in ("base", "tasks") if name not in flags]
    if missing:
        raise ValueError(
            f"recipe {source.name!r} has neither model nor data: give "
            f"{' and '.join(f'--{name}' for name in missing)}"
        )
    return RunConfig(recipe=source, **flags)


def resolve_path(config: RunConfig, override: Override, arguments: Sequence[str]) -> str:
    """Return an override's full path, from the configuration."""
    parts: dict[str, Any] = {"recipe.": config.recipe, "": config, "tasks.": config.tasks}
    names = {prefix: [field.name for field in fields(value)] for prefix, value in parts.items()}
    for prefix, known in names.items():
        if override.head in known:
            return f"{prefix}{override.path}"
    allowed = list(dict.fromkeys([*arguments, *chain(*names.values())]))
    near = serialization.format_suggestions(override.head, allowed)
    raise ValueError(
        f"--set {override.path}: there is no {override.head!r}{near}; there are "
        f"{', '.join(allowed)}"
    )
