"""Decouple against CLUB's definition, and against the outputs of experts in a model."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import coterie
from coterie import Copies, Decouple, Lora, Mixture, Predictive, TokenGate
from coterie.losses.decouple import compute_moments
from coterie.routing.decision import Routing, Tape
from coterie.routing.features import LayerFeatures
from tests.tinies.text import llama
from tests.train import small

EXACT = 1e-9  # for epsilon: added to a number around 0.2 of float32, it is nothing


def correlated(rho: float) -> Tensor:
    """Four units of two variables with mean 0, variance 1 and this correlation, exactly."""
    one, other = torch.tensor([1.0, 1, -1, -1]), torch.tensor([1.0, -1, 1, -1])
    return torch.stack([one, rho * one + math.sqrt(1 - rho**2) * other], dim=1)


def routing(x: Tensor, up: Tensor | None = None) -> Routing:
    """Two experts of rank 1; the first reads x[:, 0], the second x[:, 1]."""
    weights = torch.ones(len(x), 2)
    kept = LayerFeatures(
        x=x, down=torch.eye(2), up=torch.ones(2, 1) if up is None else up, ranks=(1, 1)
    )
    return Routing(weights=weights, probs=weights, logits=weights, features=kept)


@pytest.mark.parametrize(
    ("rho", "club", "information"), [(0.9, 4.2632, 0.8304), (0.5, 0.3333, 0.1438)]
)
def test_it_is_club_with_the_true_conditional(rho: float, club: float, information: float) -> None:
    x = correlated(rho)
    value = Decouple(epsilon=EXACT).compute(routing(x)).item()
    # rho^2 / (1 - rho^2), an upper bound of the mutual information of Gaussians.
    assert value == pytest.approx(club, abs=5e-5)
    assert -math.log(1 - rho**2) / 2 == pytest.approx(information, abs=5e-5) and value > information
    # The definition: log q(v | u) over pairs of the joint minus that over all pairs, where q is
    # normal with mean rho u and variance 1 - rho^2.
    squares = (x[:, 1] - rho * x[:, :1]) ** 2 / (2 * (1 - rho**2))
    defined = squares.mean() - squares.diagonal().mean()
    assert value == pytest.approx(defined.item(), rel=1e-5)


def test_neither_scale_nor_mean_matters_and_what_does_not_vary_is_0() -> None:
    x = correlated(0.9)
    loss = Decouple(epsilon=EXACT)
    moved = routing(100 + 3 * x, torch.tensor([[-1e-3], [7.0]]))
    assert loss.compute(moved).item() == pytest.approx(4.2632, rel=1e-2)
    # Experts that start at 0 have no gradient that is not finite.
    start = torch.zeros(2, 1, requires_grad=True)
    found = loss.compute(routing(x, start))
    found.backward()
    assert found.item() == 0 and start.grad is not None and start.grad.isfinite().all()
    # Copies of each other: the greatest loss, 1 / epsilon.
    same = routing(x[:, :1].expand(4, 2))
    assert Decouple(epsilon=0.01).compute(same).item() == pytest.approx(100, rel=1e-3)


def test_it_reads_the_experts_of_a_model() -> None:
    tiny = llama()
    mixture = Mixture(at="text.mlp", experts=Lora(ranks=(2, 3)), gate=TokenGate())
    model = coterie.graft(tiny.model, (mixture,))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".up"):
                weight.normal_(std=0.1)
    with coterie.observe(model, features=True) as tape:
        model(**tiny.batch)
    Decouple()(tape).backward()
    grads = [
        each.grad for name, each in model.named_parameters() if name.endswith((".up", ".down"))
    ]
    assert all(grad is not None and grad.any() for grad in grads)
    # The covariance of the outputs themselves, which the loss does not compute.
    kept = next(iter(tape.values())).features
    assert kept is not None and kept.down is not None and kept.up is not None
    assert kept.valid is not None and kept.sample is not None
    hidden = kept.x[kept.valid] @ kept.down.t()
    outputs = torch.stack([hidden[:, :2] @ kept.up[:2], hidden[:, 2:] @ kept.up[2:]])
    centred = outputs - outputs.mean(1, keepdim=True)
    wanted = torch.einsum("anf,bnf->abf", centred, centred) / len(hidden)
    torch.testing.assert_close(compute_moments(kept), wanted, rtol=1e-3, atol=1e-6)


def test_what_it_cannot_read() -> None:
    tiny = llama()
    mixture = Mixture(at="text.mlp", experts=Copies(count=2), gate=TokenGate())
    model = coterie.graft(tiny.model, (mixture,))
    with coterie.observe(model, features=True) as tape:
        model(**tiny.batch)
    with pytest.raises(ValueError, match="Decouple needs experts that are low-rank changes"):
        Decouple()(tape)
    with coterie.observe(model) as bare:
        model(**tiny.batch)
    with pytest.raises(ValueError, match=r"record it with coterie.observe\(model, features=True\)"):
        Decouple()(bare)
    with pytest.raises(ValueError, match=r"Decouple\(epsilon=0\.0\): give a number in \(0, 1\)"):
        Decouple(epsilon=0.0)
    assert not Tape().keeps_features


def test_a_run_trains_with_losses_that_read_features(tmp_path: Path) -> None:
    losses = (Decouple(weight=1.0), Predictive())
    run = small.trained(tmp_path, replace(small.plain(steps=1), losses=losses))
    assert run.is_finished
