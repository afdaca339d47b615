"""Recipes that a hand edited, or that name what is no kind: one line each, and nothing foreign."""

import json
import sys
from collections import Counter
from dataclasses import dataclass, is_dataclass
from types import ModuleType
from typing import Any

import pytest

from coterie import graft, recipes, serialization
from coterie.public_names import ROOT
from coterie.recipe import Recipe
from coterie.routing.gates.base import Gate
from coterie.routing.routers.base import Router
from tests.hostile.mutations import mutate
from tests.tinies.text import llama

MAX_LINE = 700


def read(text: str) -> Recipe | None:
    """Read a recipe; None if it is refused, which must be in one short line."""
    try:
        return Recipe.loads(text, name="recipe.json")
    except ValueError as error:
        line = str(error)
    assert line.startswith("recipe.json") and "\n" not in line and len(line) < MAX_LINE
    return None


def make_data(name: str) -> Any:
    return json.loads(getattr(recipes, name)().dumps())


def test_hand_edited_recipes_are_one_line() -> None:
    found = Counter(
        read(text) is None
        for number, (_, text) in enumerate(mutate(make_data("shared_lora")))
        if number % 40 == 0
    )
    assert found[True] > 25 and found[False] > 0  # some are right, as another learning rate


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rode", "awaker", "mod_squad", "m3vit", "uni_moe"])
def test_all_hand_edited_recipes_are_one_line(name: str) -> None:
    found = Counter(read(text) is None for _, text in mutate(make_data(name)))
    assert found[True] > 5 * found[False] > 0


@pytest.mark.slow
def test_accepted_recipes_are_grafted_or_refused_in_one_line() -> None:
    found: Counter[bool] = Counter()
    for _, text in mutate(make_data("moelora")):
        recipe = read(text)
        if recipe is None:
            continue
        try:
            graft(llama().model, recipe.mixtures, tasks=("a", "b"))
            found[True] += 1
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < MAX_LINE
            found[False] += 1
    assert found[True] > 50 and found[False] > 5


def list_dataclasses() -> list[str]:
    """List the public name of every dataclass that happens to be imported."""
    modules = [each for each in list(sys.modules.values()) if type(each) is ModuleType]
    return [
        f"{module.__name__}:{kind.__qualname__}"
        for module in modules
        for kind in list(vars(module).values())
        if issubclass(type(kind), type)  # isinstance would ask deprecated objects, which warn
        and is_dataclass(kind)
        and kind.__module__ == module.__name__
    ]


def test_of_all_classes_kinds_alone_are_constructed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named in the place of a whole file, and some of a field that takes a gate."""
    found, built = list_dataclasses(), []
    assert len(found) > 300

    def construct(kind: type, items: Any, name: str) -> Any:
        built.append(kind.__module__)

    monkeypatch.setattr(serialization, "construct", construct)
    for number, name in enumerate(found):
        for hint in (Any, Gate)[: 1 + (number % 10 == 0)]:
            try:
                serialization.load({"is": name}, hint)
            except ValueError:
                continue
    own = ("coterie", "coterie_demo", "tests")  # the demo's data set is a plug-in, if it is loaded
    assert [module for module in built if module.partition(".")[0] not in own] == []


@pytest.mark.parametrize(
    "name", ["coterie.data:BadRow", "coterie.data:MediaFile", "coterie.data:TextSample",
             "coterie.models:LoadedModel", "coterie.models:ModelOptions", "coterie:Run",
             "coterie:Routing", "coterie.tasks:EvaluationDataset"],
)  # fmt: skip
def test_classes_of_coterie_that_are_no_kinds_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^file holds a .*, where a Mixture or a Recipe"):
        serialization.load({"is": name}, name="file")


@dataclass(frozen=True, kw_only=True)
class Own(Router):
    """A router of the caller's."""

    scale: float = 1.0

    def __call__(self, logits: Any, noise: Any) -> Any:
        return logits * self.scale, logits


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A frozen dataclass that is no kind."""

    path: str = "x"


def test_a_kind_of_the_caller_is_constructed_and_another_class_is_not() -> None:
    assert __name__.partition(".")[0] != ROOT
    assert serialization.load({"is": f"{__name__}:Own", "scale": 2}) == Own(scale=2.0)
    with pytest.raises(ValueError, match=r"^value holds a Foreign"):
        serialization.load({"is": f"{__name__}:Foreign"})
    data = make_data("rode")
    data["mixtures"][0]["router"] = {"is": f"{__name__}:Foreign"}
    with pytest.raises(ValueError, match=r"mixtures\[0\]\.router holds a Foreign .*where a Router"):
        Recipe.loads(json.dumps(data))
    data["mixtures"][0]["router"] = {"is": "coterie:TokenGate"}
    with pytest.raises(ValueError, match=r"mixtures\[0\]\.router holds a TokenGate .*a Router is"):
        Recipe.loads(json.dumps(data))


@pytest.mark.parametrize("name", ["/../../../outside", "..", "a/b", "a\0b", "x" * 101, ".git"])
def test_stage_and_system_names_cannot_leave_the_folder(name: str) -> None:
    data = make_data("rode")
    for changed in (data | {"name": name}, data | {"stages": [data["stages"][0] | {"name": name}]}):
        with pytest.raises(ValueError, match=r"name = .*: files are named for (stage|system)s, so"):
            Recipe.loads(json.dumps(changed))
