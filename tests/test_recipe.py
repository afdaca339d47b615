"""Recipes are plain data, and say clearly what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

from coterie import Lora, Mixture, Rectified, TaskGate, TokenGate, TopK
from coterie.balancing.fixed import Fixed
from coterie.balancing.uncertainty import Uncertainty
from coterie.losses.load_balance import LoadBalance
from coterie.losses.mutual_information import MutualInformation
from coterie.recipe import Recipe
from coterie.stage import Stage

FULL = Recipe(
    name="all of it",
    mixtures=(
        Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=TopK(k=1)),
        Mixture(at=("a.b", "c.d"), experts=Lora(ranks=(4,)), gate=None),
        Mixture(gate=TokenGate(bias=True), router=Rectified(bias=0.1), shared=Lora(ranks=(3,))),
    ),
    losses=(MutualInformation(weight=0.01), LoadBalance(counts="top1")),
    balancing=Uncertainty(positive=False),
    stages=(
        Stage(name="first", trains=("connector", r"lm_head\..*"), steps=10, routed=False),
        Stage(
            name="second",
            trains=("gates",),
            learning_rates={"gates": 1e-3},
            epochs=0.5,
            warmup=0.1,
            init="copy",
        ),
        Stage(name="third", schedule="constant", weight_decay=0.1, batch_size=4),
    ),
    paper="nobody 2026",
    notes="none",
    departures=("one", "two"),
)


@pytest.mark.parametrize("recipe", [Recipe(), FULL])
def test_dumps_and_loads_are_equal_through_json(recipe: Recipe) -> None:
    assert Recipe.loads(recipe.dumps()) == recipe
    assert hash(recipe) == hash(Recipe.loads(recipe.dumps()))


def test_save_and_read(tmp_path: Path) -> None:
    assert FULL.save(tmp_path) == tmp_path / "recipe.json"
    assert Recipe.read(tmp_path) == Recipe.read(tmp_path / "recipe.json") == FULL
    assert Recipe.read(FULL.save(tmp_path / "new" / "other.json")) == FULL


def test_defaults() -> None:
    stage = Stage()
    assert (stage.epochs, stage.steps, stage.trains) == (1.0, None, ("adapter",))
    assert Stage(steps=3).epochs is None
    assert Recipe().mixtures == (Mixture(),) and Recipe().balancing == Fixed()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have it: types are checked in tests only."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "'': give a stage's name as text"),
        ({"trains": ()}, "trains=.*give a tuple of parts"),
        ({"trains": "gates"}, "trains='gates': give a tuple of parts"),
        ({"trains": ("gate",)}, "did you mean gates"),
        ({"trains": ("lm_head",)}, "regular expressions over parameter names"),
        ({"trains": ("(x.",)}, "no regular expression"),
        ({"epochs": 1.0, "steps": 3}, "give one"),
        ({"epochs": 0.0}, "epochs=0.0: it must be above 0"),
        ({"steps": 0}, "steps=0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"learning_rates": {"gates": 0.0}}, r"learning_rates\['gates'\]=0.0: it must be above 0"),
        ({"learning_rates": {"gate": 1.0}}, "did you mean gates"),
        ({"learning_rates": {"shared": 1.0}}, "give a rate for 'experts'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"warmup": 1.0}, "warmup=1.0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"epsilon": 0.0}, "epsilon=0.0: it must be above 0"),
        ({"schedule": "cosin"}, "allowed are .*'cosine'"),
        ({"init": "random"}, "allowed are .*'copy'"),
        ({"init": "copy", "routed": False}, "leave one of them out"),
    ],
)
def test_wrong_stage(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stage(**fields)


SINGLE = Stage(name="single", routed=False)
COPIED = Stage(name="copied", init="copy")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "'': give a system's name as text"),
        ({"mixtures": Mixture()}, "tuple of Mixture"),
        ({"mixtures": ("text.mlp",)}, "has 'text.mlp'"),
        ({"stages": ()}, "needs at least one stage"),
        ({"mixtures": (), "losses": (LoadBalance(),)}, "no mixture .* a gate"),
        ({"losses": (Mixture(),)}, "tuple of RoutingLoss"),
        ({"departures": "one"}, "tuple of str"),
        ({"balancing": None}, "kind of coterie.balancing"),
        ({"mixtures": (Mixture(gate=None),), "losses": (LoadBalance(),)}, "no mixture .* a gate"),
        ({"stages": (Stage(), Stage())}, "stages of .*: the name 'train' is there twice"),
        ({"stages": (COPIED,)}, "only with, a mixture after a stage of routed=False"),
        ({"stages": (SINGLE, Stage())}, "'train' .* init='copy' goes with"),
        ({"stages": (Stage(), SINGLE)}, "'single' .* routed=False after 'train'"),
    ],
)
def test_wrong_recipe(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**fields)


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file"):
        Recipe.read(tmp_path / "nothing.json")
    file = tmp_path / "recipe.json"
    file.write_text('{"is": "coterie:Mixture"}')
    with pytest.raises(ValueError, match=r"recipe\.json holds a Mixture .*, where a Recipe is"):
        Recipe.read(tmp_path)
    file.write_text("{")
    with pytest.raises(ValueError, match=r"recipe\.json is not JSON"):
        Recipe.read(file)
    data = json.loads(FULL.dumps())
    data["stages"][0]["learning_rat"] = 1
    with pytest.raises(ValueError, match=r"stages\[0\]\.learning_rat .*did you mean|has no field"):
        Recipe.loads(json.dumps(data))


def test_a_plain_stage_may_come_first() -> None:
    assert Recipe(stages=(SINGLE, COPIED)).stages == (SINGLE, COPIED)
