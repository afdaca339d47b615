"""`--set`: how it is read, what it replaces, what it refuses."""

import re

import pytest

from coterie.cli.overrides import Override, set_at_path
from coterie.recipe import Recipe
from coterie.recipes import awaker, rode


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
    assert Override.parse(text).value == value


def test_paths() -> None:
    setting = Override.parse("stages.0.learning_rate=1e-4")
    assert (setting.path, setting.head) == ("stages.0.learning_rate", "stages")


@pytest.mark.parametrize("text", ["rank", "=8", " = 8", ""])
def test_a_setting_has_a_path_and_a_value(text: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=re.escape("give path=value, as in --set rank=8")):
        Override.parse(text)


def test_parts_are_replaced() -> None:
    recipe = awaker()
    found = set_at_path(recipe, "stages.1.learning_rate", 1e-3, name="recipe")
    assert [stage.learning_rate for stage in found.stages] == [1e-5, 1e-3, 5e-6]
    assert found.mixtures == recipe.mixtures and recipe == awaker()
    assert set_at_path(rode(), "mixtures.0.experts.ranks", [2, 2], name="recipe").mixtures[
        0
    ].main.ranks == (2, 2)  # pyright: ignore[reportAttributeAccessIssue]


def test_whole_parts_are_replaced() -> None:
    gate = {"is": "coterie:TaskGate", "per_token": False}
    found = set_at_path(rode(), "mixtures.1.gate", gate, name="recipe")
    assert type(found.mixtures[1].gate).__name__ == "TaskGate"


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
        set_at_path(rode(), path, value, name="recipe")


def test_the_result_is_a_recipe() -> None:
    assert isinstance(set_at_path(rode(), "name", "mine", name="recipe"), Recipe)
