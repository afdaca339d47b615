"""Inner products and cosines of known gradients, their noise, and the step that is tried."""

import math

import pytest
import torch
from torch import Tensor, nn

from coterie.diagnose.conflict import Conflict
from coterie.diagnose.gradients import compute_conflict, measure_gradients, take_step
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

    [products], losses, transfer = measure_gradients(
        loss, [ParameterSpace({"all": named})], tasks=2, batches=2, step=0.1
    )
    assert products.shape == (1, 2, 2, 2, 2)
    assert (products[0, 0, :, 1] == -1).all() and (products[0, 1, :, 1] == 1).all()
    assert losses == (0.5, 0.5)
    # The losses become 0.95 ** 2 / 2 and 1.05 ** 2 / 2, of 1 / 2 each.
    assert transfer[0] == pytest.approx([0.95**2 - 1, 1.05**2 - 1], rel=1e-5)
    assert transfer[1] == pytest.approx([1.05**2 - 1, 0.95**2 - 1], rel=1e-5)
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


def conflict(gradients: Tensor, *, paired: bool = False) -> Conflict:
    """Of gradients [groups, tasks, batches, numbers]."""
    products = torch.einsum("gtbn,gucn->gtbuc", gradients, gradients)
    groups, tasks = (tuple(map(str, range(count))) for count in gradients.shape[:2])
    return compute_conflict(products, paired=paired, tasks=tasks, groups=groups, space="probe")


def test_cosines_of_two_groups_and_together() -> None:
    # Two equal batches each: (1, 0) and (3, 4) have a cosine of 3/5; (1, 0) and (-1, 0) of -1.
    # Together (1, 0, 1, 0) and (3, 4, -1, 0): 2 / (sqrt 2 sqrt 26) = 0.277.
    one = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    other = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    found = conflict(torch.stack([one, other])[:, :, None].expand(2, 2, 2, 2))
    assert found.cosine[0][0][1] == pytest.approx(0.6) and found.cosine[1][0][1] == -1
    assert found.overall[0][1] == pytest.approx(2 / 52**0.5)
    # Batches do not differ, so nothing is unsure.
    assert found.low[0][1] == found.high[0][1] == found.overall[0][1]
    assert found.within_task == pytest.approx([1, 1])
    assert found.conflicting_pairs == () and found.negative_share == 0


def test_halves_of_a_task() -> None:
    # Halves (1, 0) and (0, 1) do not agree at all, (1, 0) and (1, 1) do at 1 / sqrt 2.
    batches = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]])
    assert conflict(batches[None]).within_task == pytest.approx([0, 0.5**0.5])


def test_only_what_is_below_zero_beyond_the_noise_is_against() -> None:
    # One number a gradient, 4 batches: 1 each, against -1, -1, -1, -1 and against 1, -1, 1, -2.
    sure = torch.tensor([[1.0] * 4, [-1.0] * 4, [1.0, -1.0, 1.0, -2.0]])[None, :, :, None]
    found = conflict(sure)
    assert [[value < 0 for value in row] for row in found.high] == [
        [False, True, False],
        [True, False, False],
        [False] * 3,
    ]
    # The mean of the third is -0.25, their variance 2.25 and 2 standard errors of the mean
    # 2 * 1.5 / 2 = 1.5; norms are 1 and 0.25.
    assert found.low[0][2] == pytest.approx((-0.25 - 1.5) / 0.25)
    assert found.high[0][2] == pytest.approx((-0.25 + 1.5) / 0.25)


def test_no_gradient_has_no_cosine() -> None:
    gradients = torch.tensor([[[[1.0], [1.0]], [[0.0], [0.0]]]])
    found = conflict(gradients)
    assert math.isnan(found.cosine[0][0][1]) and found.overall[0][0] == 1
    assert not any(value < 0 for row in found.high for value in row)


def test_batches_of_the_same_samples_vary_together() -> None:
    # Two batches, 1 and 3 against 3 and 1. Means of rows are 2 and 6, of columns 6 and 2: as they
    # sum up to 8, the product of means is sure. Sampled apart, each has a variance of 8, so the
    # error is 2 * sqrt(16 / 2), and norms are 2 and 2.
    gradients = torch.tensor([[1.0, 3.0], [3.0, 1.0]])[None, :, :, None]
    paired, apart = (conflict(gradients, paired=each) for each in (True, False))
    assert paired.low[0][1] == paired.overall[0][1] == paired.high[0][1] == 1
    assert apart.low[0][1] == pytest.approx(1 - 2 * 8**0.5 / 4)
