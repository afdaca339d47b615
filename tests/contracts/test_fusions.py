"""What every fusion of sensors owes, whichever file it is in: found, not listed."""

import pytest
import torch

import coterie.models.multitask_vision.fusions
from coterie.encoding.fusion import Fusion
from coterie.serialization import dump, find_kinds, load
from tests.tinies.base import seeded

KINDS = find_kinds(coterie.models.multitask_vision.fusions, Fusion)
WIDTH = 32


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
class TestFusion:
    def test_one_map_for_each_image_of_any_size(self, kind: type[Fusion]) -> None:
        for count in (1,) if kind().shares_backbone else (1, 2, 3):
            network = seeded(lambda count=count: kind().build(count, WIDTH))
            for size in ((1, 1), (3, 5)):
                maps = torch.randn(count, 2, WIDTH, *size)
                found = kind().join(network, maps, torch.ones(count, 2, dtype=torch.bool))
                assert found.shape == (2, WIDTH, *size) and bool(found.isfinite().all())

    def test_maps_of_missing_sensors_do_not_matter(self, kind: type[Fusion]) -> None:
        if kind().shares_backbone:
            return
        network = seeded(lambda: kind().build(2, WIDTH))
        present = torch.tensor([[True, False], [True, True]])
        maps = torch.randn(2, 2, WIDTH, 3, 3)
        found = kind().join(network, maps, present)
        maps[0, 1] = torch.nan
        assert torch.equal(kind().join(network, maps, present), found)

    def test_images_do_not_depend_on_each_other(self, kind: type[Fusion]) -> None:
        count = 1 if kind().shares_backbone else 2
        network = seeded(lambda: kind().build(count, WIDTH))
        maps, present = torch.randn(count, 2, WIDTH, 3, 3), torch.ones(count, 2, dtype=torch.bool)
        together = kind().join(network, maps, present)
        alone = kind().join(network, maps[:, :1], present[:, :1])
        torch.testing.assert_close(alone, together[:1])

    def test_every_weight_learns(self, kind: type[Fusion]) -> None:
        count = 1 if kind().shares_backbone else 2
        network = seeded(lambda: kind().build(count, WIDTH))
        maps = torch.randn(count, 2, WIDTH, 3, 3, requires_grad=True)
        kind().join(network, maps, torch.ones(count, 2, dtype=torch.bool)).square().sum().backward()
        for each in (maps, *network.parameters()):
            assert each.grad is not None and each.grad.any()

    def test_it_is_plain_data(self, kind: type[Fusion]) -> None:
        assert load(dump(kind()), Fusion) == kind()
