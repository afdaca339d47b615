"""Mixtures of new tasks beside older ones, of every gate; runs are in test_frozen_mixtures.py."""

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

import coterie
from coterie import (
    Bridge,
    InstanceGate,
    Lora,
    Mixture,
    ModalityGate,
    Recipe,
    Rectified,
    Softmax,
    Stage,
    TaskGate,
    TokenGate,
    TopK,
    recipes,
)
from coterie.train.growth import compute_first_weights, grow_recipe
from tests.train.small import base

OLD, NEW = ("a", "b"), ("c", "d")


def one(**fields: Any) -> Recipe:
    mixture = Mixture(at="text.mlp", **{"experts": Lora(ranks=(2, 4)), **fields})
    return Recipe(name="one", mixtures=(mixture,))


RECIPES: Mapping[str, Recipe] = {
    "shared_lora": recipes.shared_lora(rank=4),
    "moelora": recipes.moelora(experts=3, rank=2),
    "rode": recipes.rode(),
    "soft_lora": recipes.soft_lora(),
    "hydra_lora": recipes.hydra_lora(),
    "dual_lora": recipes.dual_lora(),
    "task": one(gate=TaskGate(init_std=1.0), router=TopK(k=1)),
    "modality": one(gate=ModalityGate(modalities=("text",)), router=Softmax()),
    "instance": one(
        gate=InstanceGate(tie="layer"), router=TopK(k=1), experts=Lora(ranks=(2, 2)),
        shared=Lora(ranks=(2,)), blend="complement",
    ),
}  # fmt: skip


@cache
def load_host() -> Any:
    return AutoModelForCausalLM.from_pretrained(base())


def make_model(mixtures: tuple[Mixture, ...], tasks: tuple[str, ...]) -> Any:
    model = coterie.graft(copy.deepcopy(load_host()), mixtures, tasks=tasks).eval()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".coterie_" in name and "bridge" not in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model


@torch.no_grad()
def compute_logits(model: Any, tasks: list[int]) -> Tensor:
    ids = torch.randint(3, 20, (len(tasks), 7), generator=torch.Generator().manual_seed(2))
    labels = ids.masked_fill(torch.arange(7) < 4, -100)
    return model(input_ids=ids, labels=labels, task_ids=torch.tensor(tasks)).logits


@pytest.mark.parametrize("name", RECIPES)
def test_old_rows_keep_their_bits(name: str) -> None:
    old = RECIPES[name]
    grown = grow_recipe(old, None, old_tasks=OLD, new_tasks=NEW)
    before, after = make_model(old.mixtures, OLD), make_model(grown.mixtures, (*OLD, *NEW))
    saved = {key: each for key, each in before.state_dict().items() if ".coterie_" in key}
    _, unknown = after.load_state_dict(saved, strict=False)
    assert not unknown  # older weights keep their names
    for tasks in ([0, 0, 0], [1, 1, 1], [0, 1, 0]):
        assert torch.equal(compute_logits(after, tasks), compute_logits(before, tasks))
    # The middle row is of a new task; where it is an old one, the others' batch has this shape.
    mixed = compute_logits(after, [0, 2, 1])
    assert torch.equal(mixed[[0, 2]], compute_logits(before, [0, 0, 1])[[0, 2]])
    alone = compute_logits(after, [2, 2, 2])
    torch.testing.assert_close(mixed[1], alone[1])
    assert not torch.allclose(mixed[1], compute_logits(before, [0, 0, 1])[1], atol=1e-3)


def test_a_new_task_starts_as_the_old_adapter() -> None:
    grown = grow_recipe(RECIPES["shared_lora"], None, old_tasks=OLD, new_tasks=NEW)
    model = make_model(grown.mixtures, (*OLD, *NEW))
    for name, parameter in model.named_parameters():
        if "coterie_gate" in name or name.endswith("coterie_experts_1.default.up"):
            torch.nn.init.zeros_(parameter)
    found, wanted = compute_logits(model, [3, 3]), compute_logits(model, [0, 0])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_the_factors_of_older_experts() -> None:
    # Softmax over two older ones: 1/2 each; the new gate gives the three experts 1/3 each.
    soft = one(experts=Lora(ranks=(2, 4)), gate=TokenGate(), router=Softmax())
    grown = grow_recipe(soft, recipes.pathweave(at=("text.mlp",)), old_tasks=OLD, new_tasks=NEW)
    kind: Any = grown.mixtures[1].main
    assert kind.older_ranks == (2, 4) and kind.older_factors == pytest.approx((1.5, 1.5))
    # Of two steps, the mean: the first one's experts, and the second one's own of weight 1/3;
    # four experts have 1/4 each, so 1/2 / 2 / (1/4) = 1, and 1/3 / 2 / (1/4) = 2/3.
    again: Any = grow_recipe(grown, None, old_tasks=(*OLD, *NEW), new_tasks=("e",)).mixtures[2].main
    assert again.older_ranks == (2, 4, 8)
    assert again.older_factors == pytest.approx((1.0, 1.0, 2 / 3))


def test_the_weights_at_logits_of_0() -> None:
    # Top-1 of two keeps a probability of 1/2, so 1/4 each; the complement has the other half.
    top = one(router=TopK(k=1), experts=Lora(ranks=(2, 2)), shared=Lora(ranks=(2,)),
              blend="complement")  # fmt: skip
    assert compute_first_weights(top.mixtures[0]) == (0.25, 0.25, 0.5)
    # RoDE's are 0.1 there, by its bias; 0 would be counted as equal weights that add up to 1.
    assert compute_first_weights(RECIPES["rode"].mixtures[0]) == pytest.approx((0.1,) * 4)
    assert compute_first_weights(one(router=Rectified(bias=0.0)).mixtures[0]) == (0.5, 0.5)
    assert compute_first_weights(one(gate=None).mixtures[0]) == (1.0, 1.0)


def test_where_nothing_is_older_a_bridge_is_one_lora_without_a_gate() -> None:
    new = recipes.pathweave(at=("text.mlp", "text.attn"))
    grown = grow_recipe(one(gate=None), new, old_tasks=OLD, new_tasks=NEW)
    first, second = grown.mixtures[1:]
    assert isinstance(first.main, Bridge) and first.gate is not None
    assert second.main == Lora(ranks=(8,), alpha=8.0) and second.gate is None


def test_each_mixture_has_its_tasks_and_the_stages_the_new_ones() -> None:
    grown = grow_recipe(one(gate=None), None, old_tasks=OLD, new_tasks=NEW, connectors=("x.y",))
    assert grown.name == "one+c+d" and [each.tasks for each in grown.mixtures] == [OLD, NEW]
    assert [each.tasks for each in grown.stages] == [NEW]
    assert grown.stages[0].trains == ("adapter", "x.y")
    more = grow_recipe(grown, None, old_tasks=(*OLD, *NEW), new_tasks=("e",))
    assert [each.tasks for each in more.mixtures] == [OLD, NEW, ("e",)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (recipes.plain_moe(), None, "which replace a block of the base model for all tasks"),
        (one(gate=None), recipes.pathweave(at=("text.attn",)), "experts are at text.mlp"),
    ],
)
def test_what_cannot_grow(old: Recipe, new: Recipe | None, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        grow_recipe(old, new, old_tasks=OLD, new_tasks=NEW)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"trains": ("adapter", "host")}, "trains 'host', which the old tasks compute with"),
        ({"trains": ("connector",)}, "trains connectors alone"),
        ({"routed": False}, "has routed=False"),
        ({"start_from": "x"}, "has start_from='x'"),
    ],
)
def test_stages_that_are_none_of_new_tasks(stage: dict[str, Any], message: str) -> None:
    new = replace(recipes.pathweave(), stages=(Stage(**stage),))
    with pytest.raises(ValueError, match=re.escape(message)):
        grow_recipe(RECIPES["shared_lora"], new, old_tasks=OLD, new_tasks=NEW)
