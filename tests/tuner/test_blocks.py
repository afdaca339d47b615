"""Experts that take whole blocks, in real hosts: copies of MLPs, attention-query experts."""

import pytest
import torch

import coterie
from coterie import AttentionHeads, Copies, Mixture, Null, TaskGate, TopK, TopP
from coterie.tuner.layer import CoterieLayer
from tests.tiny import TINY
from tests.tuner.checks import (
    IDS,
    TASKS,
    TWINS,
    awake,
    gradients,
    grafted,
    logits,
    roles,
    same,
    trained,
)

REFUSED = {
    "qwen3_vl_moe": ("text.mlp", "has no linear layer, as the stacked experts"),
    "qwen3_omni": ("text.mlp", "has no linear layer, as the stacked experts"),
    "blip_2": ("text.mlp", "matches no module of blip-2"),
    "glm4v_moe": ("text.mlp", "give each its own modules"),
    "qwen2_moe": ("text.mlp", "give each its own modules"),
    "convnext": ("vision.mlp", "ConvNextLayer has convolutions over neighbours"),
}
"""Blocks that are mixtures themselves, no function of single tokens, or linear layers alone."""
MLPS = [
    (family, role)
    for family in TINY
    for role in roles(family)
    if role.endswith("mlp") and REFUSED.get(family, ("", ""))[0] != role
]
ATTENTIONS = ["vit", "dinov2", "clip", "siglip", "llava", "llava_onevision", "idefics3", "gemma3"]
SUM_TO_ONE = TopK(k=2, normalize="selected")


@pytest.mark.parametrize(
    ("family", "role"),
    [pytest.param(*place, marks=pytest.mark.slow if place[0] in TWINS else ()) for place in MLPS],
)
@pytest.mark.parametrize("how", ["full", pytest.param("lora", marks=pytest.mark.slow)])
def test_copies_start_as_the_host_and_learn(family, role, how):
    tiny = TINY[family]()
    with torch.no_grad():
        before = tiny.model(**tiny.batch).logits
    experts = Copies(count=3, trained=how)
    model = coterie.graft(
        tiny.model,
        Mixture(at=role, experts=experts, gate=TaskGate(), router=SUM_TO_ONE),
        tasks=TASKS,
    )
    torch.testing.assert_close(logits(model, tiny.batch), before, atol=1e-5, rtol=1e-4)
    losses = trained(model, tiny.batch, rate=3e-3)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("family", REFUSED)
def test_blocks_that_copies_do_not_fit(family):
    role, said = REFUSED[family]
    with pytest.raises(ValueError, match=said):
        coterie.graft(TINY[family]().model, Mixture(at=role, experts=Copies(count=3)))


@pytest.mark.parametrize("family", ATTENTIONS)
def test_attention_experts_beside_the_host_start_silent_and_learn(family):
    tiny = TINY[family]()
    with torch.no_grad():
        before = tiny.model(**tiny.batch).logits
    mixture = Mixture(
        at="vision.attn", experts=AttentionHeads(count=4), gate=TaskGate(), router=TopK(k=2)
    )
    model = coterie.graft(tiny.model, mixture, tasks=TASKS)
    torch.testing.assert_close(logits(model, tiny.batch), before, atol=1e-6, rtol=1e-6)
    awake(model)
    loss = model(**tiny.batch, task_ids=IDS).loss
    loss.backward()
    found = gradients(model)
    assert all(grad.isfinite().all() for grad in found.values()) and len(found) >= 5


def test_attention_experts_in_the_host_s_place():
    tiny = TINY["vit"]()
    mixture = Mixture(
        at="vision.attn",
        experts=AttentionHeads(count=4, replace=True),
        gate=TaskGate(),
        router=TopK(k=2, normalize="selected"),
    )
    model = grafted(tiny, mixture).train()
    losses = trained(model, tiny.batch, rate=1e-2)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("experts", [Copies(count=3), Copies(count=3, trained="lora")])
def test_checkpointed_gradients_of_copies_equal_plain_ones(experts):
    found = []
    for checkpointed in (False, True):
        tiny = TINY["llama"]()
        mixture = Mixture(at="text.mlp", experts=experts, router=SUM_TO_ONE)
        model = grafted(tiny, mixture).train()
        if checkpointed:
            model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        model(**tiny.batch).loss.backward()
        found.append(gradients(model))
    same(*found)


def test_null_experts_take_weight_and_give_nothing():
    tiny = TINY["llama"]()
    pair = (Copies(count=2), Null())
    mixture = Mixture(at="text.mlp", experts=pair, router=TopP(p=0.7))
    model = coterie.graft(tiny.model, mixture)
    layer = next(each for each in model.modules() if isinstance(each, CoterieLayer))
    gate = layer.coterie_gate["default"].weight
    assert gate.shape[0] == 3
    # a gate that always says "nothing": rows by which only the last logit is large
    x = torch.randn(2, 3, gate.shape[1]).abs()
    gate.data.zero_()
    gate.data[2] = 10.0
    assert torch.equal(layer(x), torch.zeros_like(x))


def test_attention_experts_do_not_fit_rotary_attention():
    tiny = TINY["llama"]()
    with pytest.raises(ValueError, match="LlamaAttention"):
        coterie.graft(tiny.model, Mixture(at="text.attn", experts=AttentionHeads(count=4)))
