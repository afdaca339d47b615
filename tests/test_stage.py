"""Stages that branch and assemble; other fields are in test_recipe.py."""

from typing import Any

import pytest

from coterie import Lora, Mixture, Recipe
from coterie.stage import Stage


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"by_modality": True}, "has by_modality=True, init='continue'"),
        ({"by_modality": True, "init": "branch", "tasks": ("a",)}, r"tasks=\('a',\)"),
        ({"experts_from": ("runs/a",)}, "with init='assemble' alone"),
        ({"init": "assemble", "routed": False}, "has init='assemble' and routed=False"),
        (
            {"adapter_from": "runs/a", "init": "branch"},
            "continues another run's adapter with init=",
        ),
        ({"adapter_from": "runs/a", "start_from": "runs/b"}, "leave start_from out"),
        ({"task_shares": {"a": 0.5, "b": 0.5}}, "give shares above 0 that are below 1 together"),
        ({"task_shares": {"a": 0.0}}, "give shares above 0"),
        ({"task_shares": {"a": 0.5}, "tasks": ("b",)}, "has a share of task 'a' and is trained on"),
        ({"tasks": "ocr"}, r"has tasks='ocr': give a tuple, as \('ocr',\)"),
        ({"init": "assemble", "experts_from": "runs/a"}, "has experts_from='runs/a': give a tuple"),
        ({"init": "merge"}, "has init='merge': allowed are"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_stage(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stage(**fields)


def test_a_stage_with_mixtures_of_its_own_is_plain_data() -> None:
    alone = Mixture(experts=Lora(ranks=(2,)), gate=None)
    stage = Stage(init="branch", mixtures=(alone,), tasks=("a", "b"))
    assert Recipe.loads(Recipe(stages=(stage,)).dumps()).stages == (stage,)
