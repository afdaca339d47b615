"""Baselines are as large as the mixture, and no two systems have one name."""

import pytest

from coterie import Copies, Lora, Mixture, TokenGate
from coterie.recipe import Recipe
from coterie.recipes import awaker, mod_squad, moelora, rode, shared_lora
from coterie.study.systems import choose_systems, make_baselines
from coterie.tasks import TextTask, TextTasks
from coterie.tasks.dense.task_set import DenseTasks
from tests.evaluate.dense_runs import RandomPictures

TEXT = TextTasks(tasks=(TextTask(name="ocr", rows={"train": "ocr.jsonl"}),))


def test_a_baseline_has_the_ranks_of_all_experts_together() -> None:
    everywhere = rode(ranks=(4, 8), scale=None, dropout=0.0, at=("text.attn", "text.mlp"))
    shared, alone = make_baselines(everywhere)
    assert (shared.name, alone.name) == ("shared_lora", "single_task")
    assert shared.mixtures == alone.mixtures and len(shared.mixtures) == 2
    for mine, wanted in zip(shared.mixtures, everywhere.mixtures, strict=True):
        assert mine.at == wanted.at and mine.gate is None
        assert mine.experts == Lora(ranks=(12,), alpha=24.0)
    # awaker has a LoRA alone, and mixtures with a shared expert beside four: five of rank 2.
    alone, *mixed = make_baselines(awaker(rank=2))[0].mixtures
    assert alone.experts == Lora(ranks=(2,), alpha=4.0)
    assert {each.experts for each in mixed} == {Lora(ranks=(10,), alpha=20.0)}
    # The default mixture is as large as the default LoRA.
    assert make_baselines(moelora())[0] == shared_lora()


def test_experts_of_another_kind_have_the_usual_baselines() -> None:
    copies = Recipe(name="copies", mixtures=(Mixture(experts=Copies(), gate=TokenGate()),))
    assert make_baselines(copies)[0] == shared_lora()


def test_what_is_compared_where_nothing_is_named() -> None:
    assert list(choose_systems(None, TEXT)) == ["shared_lora", "single_task", "moelora"]
    dense = choose_systems(None, DenseTasks(dataset=RandomPictures()))
    assert list(dense) == ["dense", "single_task", "mod_squad"]
    assert dense["mod_squad"] == mod_squad()


@pytest.mark.parametrize(
    ("recipes", "said"),
    [
        ([], "there are none: give one or more"),
        (["moelora", moelora(rank=2)], "'moelora' is there twice"),
        (["single_task"], "'single_task' is there twice"),
    ],
)
def test_mistakes(recipes: list[object], said: str, unchecked: None) -> None:
    with pytest.raises(ValueError, match=said):
        choose_systems(recipes, TEXT)  # pyright: ignore[reportArgumentType]
