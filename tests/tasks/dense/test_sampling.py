import math

import torch

from coterie.tasks.dense.resize import interpolate_bilinear, interpolate_nearest

ROW = torch.zeros(1, 4, dtype=torch.float64)


def places(*columns: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Places in the first row."""
    return ROW[:, : len(columns)], torch.tensor([columns], dtype=torch.float64)


def test_between_two_pixels_is_their_mean() -> None:
    # a quarter of the way from 2 to 6 is 3
    found = interpolate_bilinear(torch.tensor([[[2.0, 6.0]]]), *places(0.0, 0.25, 1.0))
    assert torch.allclose(found, torch.tensor([[[2.0, 3.0, 6.0]]]))


def test_unknown_and_outside_do_not_count() -> None:
    found = interpolate_bilinear(torch.tensor([[[2.0, math.nan]]]), *places(-0.5, 0.75, 1.0, 3.0))
    assert found[0, 0, :2].tolist() == [2, 2] and found[0, 0, 2:].isnan().all()


def test_a_class_is_that_of_the_pixel_and_outside_unknown() -> None:
    found = interpolate_nearest(torch.tensor([[4, 9]]), *places(-0.6, -0.4, 0.6, 1.6), unknown=255)
    assert found.tolist() == [[255, 4, 9, 255]]
