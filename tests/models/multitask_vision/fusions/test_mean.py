import torch

from coterie.models.multitask_vision.fusions.mean import MeanFusion


def test_mean_of_the_sensors_that_an_image_has() -> None:
    maps = torch.tensor([[2.0, 2.0, torch.nan], [4.0, torch.nan, 6.0]]).view(2, 3, 1, 1, 1)
    present = ~maps.isnan()[:, :, 0, 0, 0]
    found = MeanFusion().join(MeanFusion().build(2, 1), maps, present)
    assert found.flatten().tolist() == [3, 2, 6]  # (2 + 4) / 2, and the one there is
