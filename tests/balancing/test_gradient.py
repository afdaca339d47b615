"""What all gradient balancings share: the logged loss, and TorchJD's aggregators at any scale."""

import sys

import pytest
import torch
from torchjd.aggregation import PCGrad, UPGrad

from coterie.balancing.gradient import ScaledAggregator, make_torchjd_aggregator
from coterie.balancing.pcgrad import PCGrad as Projection

GRADIENTS = torch.tensor([[1.0, 0.0, 2.0], [-2.0, 1.0, 0.5]])


@pytest.mark.parametrize("aggregator", [PCGrad(), UPGrad()])
def test_scaling_changes_no_result(aggregator: torch.nn.Module) -> None:
    torch.testing.assert_close(ScaledAggregator(aggregator)(GRADIENTS), aggregator(GRADIENTS))


def test_small_gradients_are_not_taken_for_0() -> None:
    small = 1e-3 * GRADIENTS  # squared norm 1e-6 * 10.25, below TorchJD's norm_eps of 1e-4
    mean = small.mean(0)
    torch.testing.assert_close(UPGrad()(small), mean)
    found = ScaledAggregator(UPGrad())(small)
    torch.testing.assert_close(found, 1e-3 * UPGrad()(GRADIENTS))
    assert not torch.allclose(found, mean, rtol=1e-2)


def test_missing_torchjd_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(ValueError, match=r"needs torchjd, .*pip install 'coterie\[gradients\]'"):
        make_torchjd_aggregator("PCGrad")


def test_missing_solver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_no_spec(name: str) -> None:
        return None

    monkeypatch.setattr("torchjd._mixins.find_spec", find_no_spec)
    with pytest.raises(
        ValueError, match=r"UPGrad needs a solver .*quadprog.*pip install 'coterie\[gradients\]'"
    ):
        make_torchjd_aggregator("UPGrad")


def test_logged_loss_is_that_of_fixed() -> None:
    # 1 + 2; the third task is absent.
    losses, present = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([True, True, False])
    assert Projection().build(3)(losses, present).item() == 3.0
