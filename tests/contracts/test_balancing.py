"""What every balancing must do, for every kind that the folder holds."""

import pytest
import torch
from torch import Tensor

import coterie.balancing
from coterie import serialization
from coterie.balancing.base import Balancing
from coterie.balancing.gradient import GradientBalancing

KINDS = serialization.find_kinds(coterie.balancing, Balancing)
GRADIENT_KINDS = serialization.find_kinds(coterie.balancing, GradientBalancing)


def test_there_are_kinds_of_both_sorts() -> None:
    assert len(GRADIENT_KINDS) >= 6 and len(KINDS) - len(GRADIENT_KINDS) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_absent_tasks_change_nothing(kind: type[Balancing]) -> None:
    module = kind().build(3)
    present = torch.tensor([True, False, True])
    values = []
    for absent in (0.0, 5.0, float("nan")):
        losses = torch.tensor([1.0, absent, 2.0], requires_grad=True)
        value = module(losses, present)
        value.backward()
        assert value.shape == () and value.dtype == torch.float32 and value.isfinite()
        assert losses.grad is not None and losses.grad[1] == 0 and losses.grad.isfinite().all()
        values.append(value.item())
    assert values[0] == values[1] == values[2]
    assert all(x.grad is not None and x.grad.isfinite().all() for x in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_is_saved_and_loaded(kind: type[Balancing]) -> None:
    assert serialization.loads(serialization.dumps(kind())) == kind()


@pytest.mark.parametrize("kind", KINDS)
def test_only_gradient_kinds_have_an_aggregator(kind: type[Balancing]) -> None:
    assert (kind().build_aggregator() is not None) == issubclass(kind, GradientBalancing)


def combine(kind: type[GradientBalancing], gradients: Tensor) -> Tensor:
    torch.manual_seed(0)
    return kind().build_aggregator()(gradients)


@pytest.mark.parametrize("kind", GRADIENT_KINDS)
class TestGradientKinds:
    def test_conflicting_tasks_both_improve(self, kind: type[GradientBalancing]) -> None:
        # The inner product of the two is -1: the mean gradient, (0, 0.5), leaves task 0 as it is.
        gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
        combined = combine(kind, gradients)
        assert combined.shape == (2,) and combined.dtype == torch.float32
        assert (gradients @ combined > 0).all()

    def test_one_task_keeps_its_direction(self, kind: type[GradientBalancing]) -> None:
        gradient = torch.tensor([[3.0, -4.0, 0.0]])
        combined = combine(kind, gradient)
        torch.testing.assert_close(combined / combined.norm(), gradient[0] / 5)

    @pytest.mark.parametrize("scale", [1e-6, 1e4])
    def test_scale_of_the_gradients_is_kept(
        self, kind: type[GradientBalancing], scale: float
    ) -> None:
        gradients = torch.tensor([[1.0, 0.0, 2.0], [-2.0, 1.0, 0.5]])
        torch.testing.assert_close(
            combine(kind, scale * gradients) / scale, combine(kind, gradients)
        )

    def test_zeros_stay_zeros(self, kind: type[GradientBalancing]) -> None:
        assert not combine(kind, torch.zeros(2, 3)).any()

    def test_a_task_without_gradient_gives_finite_numbers(
        self, kind: type[GradientBalancing]
    ) -> None:
        assert combine(kind, torch.tensor([[1.0, 2.0], [0.0, 0.0]])).isfinite().all()

    def test_nothing_is_saved_or_trained(self, kind: type[GradientBalancing]) -> None:
        aggregator = kind().build_aggregator()
        assert not aggregator.state_dict() and not list(aggregator.parameters())
