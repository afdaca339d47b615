"""RoDE's layer against a plain one: a loop over tokens and experts of unequal ranks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coterie import recipes
from coterie.mixture_layer import MixtureLayer
from coterie.routing.context import RoutingContext
from coterie.routing.gates.base import LayerSite

WIDTH, OUT, RANKS, TOKENS, SCALE, BIAS = 6, 5, (1, 2, 3), 20, 2.0, 0.1


def run_plain(host: nn.Module, weights: dict[str, Tensor], gate: Tensor, x: Tensor) -> Tensor:
    """Each token through all experts, weighted by the positive part of its logits."""
    downs, ups = (weights[name].split(RANKS) for name in ("down", "up"))
    found = []
    for token in x:
        y = host(token)
        for weight, down, up in zip(F.relu(gate @ token + BIAS), downs, ups, strict=True):
            y = y + weight * SCALE * up.t() @ (down @ token)
        found.append(y)
    return torch.stack(found)


def test_layer_equals_a_plain_one_in_outputs_and_gradients() -> None:
    torch.manual_seed(0)
    host = nn.Linear(WIDTH, OUT).double().requires_grad_(False)
    [mixture] = recipes.rode(ranks=RANKS, scale=SCALE, dropout=0.0, bias=BIAS).mixtures
    experts, gate = mixture.build(host, WIDTH, 0, has_gate=True)
    for weight in (*experts.parameters(), *gate.parameters()):
        nn.init.normal_(weight, std=0.7)
    experts, gate, x = experts.double(), gate.double(), torch.randn(TOKENS, WIDTH).double()
    weights = {name: each.detach().requires_grad_() for name, each in experts.named_parameters()}
    rows = gate.weight.detach().requires_grad_()
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()

    layer = MixtureLayer(
        mixture=mixture, layer_site=LayerSite(name="q", tower="text", tie_group="")
    )
    context = RoutingContext(batch_size=1, device=x.device)
    found = layer.run(experts.train(), gate.train(), host, mine, context)
    wanted = run_plain(host, weights, rows, other)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    toward = torch.randn_like(found)
    found.backward(toward)
    wanted.backward(toward)
    for name, weight in experts.named_parameters():
        torch.testing.assert_close(weight.grad, weights[name].grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(gate.weight.grad, rows.grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-6)
    # Some gates are closed, others open.
    assert 0 < (x @ rows.t() + BIAS > 0).sum() < TOKENS * len(RANKS)
