"""Recipes by name, file and run; tests/train/test_train.py trains some."""

from pathlib import Path

import pytest

from coterie import recipes, serialization
from coterie.train.named_recipes import SYSTEMS, find_recipe


def test_by_name_value_and_file(tmp_path: Path) -> None:
    assert find_recipe("moelora") == recipes.moelora()
    own = recipes.rode(ranks=(2, 2))
    assert find_recipe(own) is own
    (tmp_path / "recipe.json").write_text(serialization.dumps(own))
    assert find_recipe(tmp_path / "recipe.json") == find_recipe(str(tmp_path)) == own
    assert "shared_lora" in SYSTEMS


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("moelra", r"'moelra' is no recipe \(did you mean moelora"),
        (3, "recipe=3: give a recipe, such as .* or its name"),
    ],
)
def test_anything_else(recipe: object, said: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=said):
        find_recipe(recipe)  # pyright: ignore[reportArgumentType]
