"""Inner products of gradients and the step that is tried, on losses with known gradients."""

import pytest
import torch
from torch import Tensor, nn

from coterie.diagnose.gradients import measure_gradients, take_step
from coterie.tasks.gradients import ParameterSpace


def parameters(*values: float) -> dict[str, nn.Parameter]:
    return {f"h.{i}.up": nn.Parameter(torch.tensor([value])) for i, value in enumerate(values)}


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
