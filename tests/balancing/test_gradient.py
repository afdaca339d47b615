"""What all gradient balancings share: the logged loss."""

import torch

from coterie.balancing.pcgrad import PCGrad


def test_logged_loss_is_that_of_fixed() -> None:
    # 1 + 2; the third task is absent.
    losses, present = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([True, True, False])
    assert PCGrad().build(3)(losses, present).item() == 3.0
