"""Uni-MoE 2.5's block: top-k with weights that sum to 1, and a shared expert that is added."""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from coterie import Copies, LoadBalance, TopK, recipes
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite


def test_block_equals_a_plain_one() -> None:
    (mixture,) = recipes.uni_moe_2_5(experts=6, k=2).mixtures
    torch.manual_seed(0)
    host = LlamaMLP(
        LlamaConfig(hidden_size=8, intermediate_size=16, num_attention_heads=2)
    ).double()
    experts, gate = mixture.build(host, 8, 0, has_gate=True)
    for weight in (*experts.parameters(), gate.weight):
        nn.init.normal_(weight, std=0.5)
    experts, gate, x = experts.double(), gate.double(), torch.randn(5, 8).double()
    site = LayerSite(name="mlp", tower="text", tie_group="")
    context = RoutingContext(batch_size=1, device=x.device)
    found = MixtureLayer(mixture=mixture, layer_site=site).run(experts, gate, host, x, context)

    own = dict(experts.named_parameters())
    assert own["up_proj__weight"].shape == (6, 4, 8)  # 16 / 4 hidden units
    assert own["shared__up_proj__weight"].shape == (1, 8, 8)  # 16 / 2

    def mlp(token, prefix, e):
        up, act, down = (own[f"{prefix}{name}_proj__weight"][e] for name in ("up", "gate", "down"))
        return down @ (F.silu(act @ token) * (up @ token))

    for token, y in zip(x, found, strict=True):
        probs = (gate.weight @ token).softmax(0)
        best, chosen = probs.topk(2)
        wanted = sum(
            w * mlp(token, "", e) for w, e in zip(best / best.sum(), chosen.tolist(), strict=True)
        )
        torch.testing.assert_close(y, wanted + mlp(token, "shared__", 0), atol=1e-9, rtol=1e-9)


def test_recipe_has_the_released_configuration_and_starts_at_the_experts() -> None:
    recipe = recipes.uni_moe_2_5()
    (mixture,) = recipe.mixtures
    assert mixture.experts == Copies(count=60, divisor=4)
    assert mixture.router == TopK(k=4, normalize="selected")
    assert recipe.losses == (LoadBalance(weight=0.001),)
    host = LlamaMLP(LlamaConfig(hidden_size=8, intermediate_size=16, num_attention_heads=2))
    experts, _ = mixture.build(host, 8, 0, has_gate=True)
    assert not experts.get_parameter("shared__down_proj__weight").any()
    assert experts.get_parameter("shared__up_proj__weight").any()
