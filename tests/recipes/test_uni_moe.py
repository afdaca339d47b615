"""Uni-MoE's block of four LoRA experts against a plain one: a loop over tokens."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from coterie import recipes
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite

WIDTH, INNER, EXPERTS, RANK, TOKENS = 16, 32, 4, 8, 30
SCALE = 16.0 / RANK


def run_plain(host: nn.Module, weights: dict[str, Tensor], gate: Tensor, x: Tensor, form: str):
    """Each token through its two best experts: frozen projections plus a LoRA each."""

    def project(name: str, expert: int, v: Tensor) -> Tensor:
        down, up = (weights[f"{name}__{half}"][expert] for half in ("down", "up"))
        return host.get_submodule(name)(v) + SCALE * up @ (down @ v)

    found = []
    for token in x:
        logits = gate @ token
        best = logits.topk(2).indices
        # The paper's weights are those of the softmax over all experts, the code's over the two.
        chosen = logits.softmax(0)[best] if form == "paper" else logits[best].softmax(0)
        y = torch.zeros_like(token)
        for weight, expert in zip(chosen, best.tolist(), strict=True):
            inner = F.silu(project("gate_proj", expert, token)) * project("up_proj", expert, token)
            y = y + weight * project("down_proj", expert, inner)
        found.append(y)
    return torch.stack(found)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_block_equals_a_plain_one_in_outputs_and_gradients(form: str) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=WIDTH, intermediate_size=INNER, num_attention_heads=2)
    host = LlamaMLP(config).double().requires_grad_(False)
    recipe = recipes.uni_moe(stages="unified", released=form == "released")
    mixture = recipe.mixtures[0]
    experts, gate = mixture.build(host, WIDTH, 0, has_gate=True)
    for weight in (*experts.parameters(), *gate.parameters()):
        nn.init.normal_(weight, std=0.5)
    experts, gate, x = experts.double(), gate.double(), torch.randn(TOKENS, WIDTH).double()
    weights = {name: each.detach().requires_grad_() for name, each in experts.named_parameters()}
    rows = gate.weight.detach().requires_grad_()
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()

    layer = MixtureLayer(
        mixture=mixture, layer_site=LayerSite(name="mlp", tower="text", tie_group="")
    )
    context = RoutingContext(batch_size=1, device=x.device)
    found = layer.run(experts.train(), gate.train(), host, mine, context)
    wanted = run_plain(host, weights, rows, other, form)
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9)
    toward = torch.randn_like(found)
    found.backward(toward)
    wanted.backward(toward)
    for name, weight in experts.named_parameters():
        torch.testing.assert_close(weight.grad, weights[name].grad, atol=1e-9, rtol=1e-9, msg=name)
    torch.testing.assert_close(gate.weight.grad, rows.grad, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-9, rtol=1e-9)
