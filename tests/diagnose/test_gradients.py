"""Gradients by group, folded ones, and the step ahead, on losses with known gradients."""

import pytest
import torch
from torch import Tensor, nn

from coterie.diagnose import gradients
from coterie.diagnose.gradients import (
    ParameterSpace,
    group_parameters,
    measure_gradients,
    take_step,
)


def parameters(*values: float) -> dict[str, nn.Parameter]:
    return {f"h.{i}.up": nn.Parameter(torch.tensor([value])) for i, value in enumerate(values)}


def test_layers_are_grouped_by_tower() -> None:
    def tower(name: str) -> str:
        return name.partition("_")[0]

    text = {f"text_layers.{i}.up": nn.Parameter(torch.zeros(1)) for i in range(7)}
    other = {
        "vision_blocks.3.up": nn.Parameter(torch.zeros(1)),
        "connector_map.up": nn.Parameter(torch.zeros(1)),
    }
    found = group_parameters(text | other, tower)
    # Seven layers in groups of two.
    names = ["connector", "layers 0-1", "layers 2-3", "layers 4-5", "layer 6", "vision layer 3"]
    assert list(found.groups) == names
    assert list(found.groups["layers 2-3"]) == ["text_layers.2.up", "text_layers.3.up"]


def test_folding_keeps_inner_products(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {name: nn.Parameter(torch.zeros(30000)) for name in ("a", "b")}
    torch.manual_seed(0)
    first = [torch.randn(30000) for _ in named]
    second = [0.6 * one + 0.8 * torch.randn(30000) for one in first]
    whole = ParameterSpace({"all": named})
    exact = [torch.cat(each) for each in (first, second)]
    assert torch.equal(whole.flatten_gradients(first)[0], exact[0])
    monkeypatch.setattr(gradients, "MAX_GRADIENT_ELEMENTS", 4096)
    one, other = (whole.flatten_gradients(each)[0] for each in (first, second))
    assert len(one) == 4096 and torch.equal(one, whole.flatten_gradients(first)[0])
    # Off by about 1 / sqrt(4096) = 0.016.
    assert torch.cosine_similarity(one, other, 0) == pytest.approx(0.6, abs=0.05)
    assert torch.cosine_similarity(one, one, 0) == pytest.approx(1)


def test_a_missing_gradient_counts_as_zero() -> None:
    named = parameters(1.0, 2.0)
    assert ParameterSpace({"all": named}).flatten_gradients([None, torch.tensor([5.0])])[
        0
    ].tolist() == [0, 5]


def test_products_losses_and_the_step_ahead() -> None:
    # L = (x - 1) ** 2 / 2 for the first task, (x - 3) ** 2 / 2 for the second, at x = 2: the
    # losses are 1/2, the gradients 1 and -1. A step by a tenth of the loss goes 0.05 down: x is
    # 1.95 after the first's, 2.05 after the second's.
    named = parameters(2.0)
    x = named["h.0.up"]

    def loss(task: int, batch: int) -> Tensor:
        return (x - (1.0, 3.0)[task]).square().sum() / 2

    found = measure_gradients(loss, [ParameterSpace({"all": named})], tasks=2, batches=2, step=0.1)
    assert found.products[0].shape == (1, 2, 2, 2, 2)
    assert (found.products[0][0, 0, :, 1] == -1).all() and (
        found.products[0][0, 1, :, 1] == 1
    ).all()
    assert found.losses == found.losses_before_step == [0.5, 0.5]
    assert found.losses_after_step[0] == pytest.approx([0.95**2 / 2, 1.05**2 / 2])
    assert found.losses_after_step[1] == pytest.approx([1.05**2 / 2, 0.95**2 / 2])
    assert x.item() == 2


def test_parameters_are_what_they_were_also_after_an_error() -> None:
    x = nn.Parameter(torch.tensor([0.1, 0.7]))
    before = x.detach().clone()
    with pytest.raises(KeyError), take_step([x], [torch.tensor([0.3, 0.3])], 0.01):
        assert not torch.equal(x, before)
        raise KeyError
    assert torch.equal(x, before)
    with take_step([x], [torch.zeros(2)], 0.01):  # no gradient, no step
        assert torch.equal(x, before)
