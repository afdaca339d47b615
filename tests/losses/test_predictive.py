"""Predictive against a loss worked out by hand, and on a synthetic pair of modalities."""

import math

import pytest
import torch
from torch import Tensor

from coterie import Predictive
from coterie.losses.predictive import average_by_sample
from coterie.routing.decision import Routing
from coterie.routing.features import LayerFeatures


def routing(x: Tensor, sample: list[int], modality: list[int]) -> Routing:
    weights = torch.ones(len(x), 2)
    kept = LayerFeatures(x=x, sample=torch.tensor(sample), modality=torch.tensor(modality))
    return Routing(
        weights=weights, probs=weights, logits=weights, modalities=("text", "image"), features=kept
    )  # fmt: skip


def test_two_samples_with_orthonormal_means() -> None:
    # Sample 0: two text tokens with mean (1, 0), an image token (1, 0); sample 1: (0, 1) twice.
    x = torch.tensor([[2.0, 0], [0, 0], [1, 0], [0, 1], [0, 1]])
    given = routing(x, [0, 0, 0, 1, 1], [0, 0, 1, 0, 1])
    # Temperature 1: ln(1 + e) - 1 = 0.3133. At 0.1: ln(1 + e^-10).
    assert Predictive(temperature=1.0).compute(given).item() == pytest.approx(0.3133, abs=5e-5)
    found = Predictive(temperature=0.1).compute(given).item()
    assert found == pytest.approx(math.log1p(math.exp(-10)), abs=1e-6)
    means, there = average_by_sample(given.features, 0)  # pyright: ignore[reportArgumentType]
    assert means.tolist() == [[1, 0], [0, 1]] and there.all()


def test_samples_and_layers_without_a_second_modality_have_no_pairs() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    alone = Predictive().compute(routing(x, [0, 0, 1, 1], [0, 0, 0, 0]))
    alone.backward()
    assert alone.item() == 0 and x.grad is not None and not x.grad.any()
    # Sample 0 has text alone; one pair that is left has no negatives.
    assert Predictive().compute(routing(x, [0, 0, 1, 1], [0, 0, 0, 1])).item() == 0


def test_a_modality_that_is_ignored_is_read_with_the_loss() -> None:
    """The text state is A text + B image; without the loss nothing moves B from 0."""
    random = torch.Generator().manual_seed(0)
    text, image = (torch.randn(8, 4, generator=random) for _ in range(2))
    weight = torch.zeros(4, 4, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    sample, modality = list(range(8)) * 2, [0] * 8 + [1] * 8
    losses = []
    for _ in range(60):
        x = torch.cat([text + image @ weight, image])
        loss = Predictive().compute(routing(x, sample, modality))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > math.log(8) and losses[-1] < 0.5
    assert weight.detach().norm() > 1


def test_temperature_is_checked() -> None:
    with pytest.raises(ValueError, match=r"Predictive\(temperature=0\.0\): give a number above 0"):
        Predictive(temperature=0.0)
