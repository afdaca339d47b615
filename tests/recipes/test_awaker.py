"""Awaker2.5-VL's layer against a plain one: a loop over samples, with noise from one seed."""

import pytest
import torch
from torch import Tensor, nn

from coterie import recipes
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite

WIDTH, OUT, RANK, EXPERTS, ALPHA, NOISE = 6, 5, 3, 4, 12.0, 0.5
SAMPLES, TOKENS = 7, 3


def run_plain(
    host: nn.Module, weights: dict[str, Tensor], gate: dict[str, Tensor], x: Tensor, mean: Tensor,
    noise: Tensor, power: int,
) -> Tensor:  # fmt: skip
    """Each sample's tokens through the LoRA that its prompt chose, and through the shared one."""

    def lora(expert: int, tokens: Tensor) -> Tensor:
        rows = slice(expert * RANK, (expert + 1) * RANK)
        return ALPHA / RANK * tokens @ weights["down"][rows].t() @ weights["up"][rows]

    found = []
    for tokens, prompt, own in zip(x, mean, noise, strict=True):
        unit = prompt / (prompt.pow(2).mean() + 1e-6).sqrt()
        probabilities = (gate["weight"] @ unit + gate.get("bias", 0.0) + own).softmax(0)
        best = int(probabilities.argmax())
        chosen = probabilities[best]
        y = host(tokens) + chosen**power * lora(best, tokens)
        found.append(y + (1 - chosen) * lora(EXPERTS, tokens))
    return torch.stack(found)


@pytest.mark.parametrize("released", [False, True], ids=["paper", "released"])
def test_layer_equals_a_plain_one_in_outputs_and_gradients(released: bool) -> None:
    torch.manual_seed(0)
    host = nn.Linear(WIDTH, OUT).double().requires_grad_(False)
    recipe = recipes.awaker(
        rank=RANK, alpha=ALPHA, experts=EXPERTS, dropout=0.0, noise=NOISE, released=released
    )
    mixture = recipe.mixtures[1]  # of the output projection
    experts, gate = mixture.build(host, WIDTH, 0, has_gate=True)
    for weight in (*experts.parameters(), *gate.parameters()):
        nn.init.normal_(weight, std=0.7)
    experts, gate = experts.double(), gate.double()
    x, mean = torch.randn(SAMPLES, TOKENS, WIDTH).double(), torch.randn(SAMPLES, WIDTH).double()
    copies = [
        {name: each.detach().requires_grad_() for name, each in part.named_parameters()}
        for part in (experts, gate)
    ]
    mine, other = ([each.clone().requires_grad_() for each in (x, mean)] for _ in range(2))

    layer = MixtureLayer(
        mixture=mixture, layer_site=LayerSite(name="o", tower="text", tie_group="")
    )
    context = RoutingContext(batch_size=SAMPLES, device=x.device, prompt_mean=mine[1])
    torch.manual_seed(5)
    found = layer.run(experts.train(), gate.train(), host, mine[0], context)
    torch.manual_seed(5)
    noise = torch.randn(SAMPLES, EXPERTS) * NOISE
    wanted = run_plain(host, copies[0], copies[1], other[0], other[1], noise, 1 + released)
    # The bias is the code's alone.
    assert ("bias" in copies[1]) == released
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    toward = torch.randn_like(found)
    found.backward(toward)
    wanted.backward(toward)
    for part, plain in zip((experts, gate), copies, strict=True):
        for name, weight in part.named_parameters():
            torch.testing.assert_close(weight.grad, plain[name].grad, atol=1e-6, rtol=1e-6)
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-6, rtol=1e-6)


def test_copies_of_one_lora_compute_what_it_computes() -> None:
    # The second stage starts with copies: G of the chosen and 1 - G of the shared one are 1.
    torch.manual_seed(1)
    host = nn.Linear(WIDTH, OUT).double()
    mixture = recipes.awaker(rank=RANK, alpha=ALPHA, experts=EXPERTS, dropout=0.0).mixtures[1]
    experts, gate = mixture.build(host, WIDTH, 0, has_gate=True)
    down, up = torch.randn(RANK, WIDTH).double(), torch.randn(RANK, OUT).double()
    with torch.no_grad():
        experts.double().get_parameter("down").copy_(down.repeat(EXPERTS + 1, 1))
        experts.get_parameter("up").copy_(up.repeat(EXPERTS + 1, 1))
    x, mean = torch.randn(SAMPLES, TOKENS, WIDTH).double(), torch.randn(SAMPLES, WIDTH).double()
    site = LayerSite(name="o", tower="text", tie_group="")
    context = RoutingContext(batch_size=SAMPLES, device=x.device, prompt_mean=mean)
    layer = MixtureLayer(mixture=mixture, layer_site=site)
    found = layer.run(experts.eval(), gate.double().eval(), host, x, context)
    torch.testing.assert_close(
        found, host(x) + ALPHA / RANK * x @ down.t() @ up, atol=1e-6, rtol=1e-6
    )
