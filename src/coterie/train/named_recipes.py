"""Recipes by what a user types: a name in coterie.recipes, a JSON file, or a run's folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from coterie import recipes, serialization
from coterie.annotations import format_suggestions
from coterie.io import read_text
from coterie.recipe import RECIPE_FILE, Recipe
from coterie.train.config import RunConfig
from coterie.train.run_directory import RunDirectory

SYSTEMS: Mapping[str, Callable[..., Recipe]] = {
    name: getattr(recipes, name) for name in recipes.__all__
}
"""The functions of coterie.recipes, by name."""


def find_recipe(recipe: Recipe | str | Path) -> Recipe:
    """Return a recipe as it is, a named one with its defaults, or that of a file or a run.

    Raises ValueError for anything else, with the names that there are.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str | Path):
        raise ValueError(
            f"recipe={recipe!r}: give a recipe, such as coterie.recipes.moelora(), or its name"
        )
    if str(recipe) in SYSTEMS:
        return SYSTEMS[str(recipe)]()
    found = read_recipe_or_config(str(recipe))
    return found if isinstance(found, Recipe) else found.recipe


def read_recipe_or_config(recipe: str) -> Recipe | RunConfig:
    """Read the recipe or configuration in a file, or the configuration in a run's folder."""
    path = Path(recipe).expanduser()
    if path.is_dir():
        directory = RunDirectory(path)
        path = directory.config_file if directory.is_run else path / RECIPE_FILE
    if not path.is_file():
        raise ValueError(
            f"{recipe!r} is no recipe{format_suggestions(recipe, SYSTEMS)}: give one "
            f"of {', '.join(SYSTEMS)}, a recipe's JSON file, or a run's folder"
        )
    return serialization.loads(read_text(path), Recipe | RunConfig, name=str(path))
