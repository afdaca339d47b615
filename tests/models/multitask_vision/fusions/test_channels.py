import torch

from coterie.models.multitask_vision.fusions.channels import ChannelConcatenation


def test_one_backbone_has_the_map_already() -> None:
    kind, maps = ChannelConcatenation(), torch.randn(1, 2, 3, 4, 4)
    assert kind.shares_backbone
    network = kind.build(1, 3)
    assert torch.equal(kind.join(network, maps, torch.ones(1, 2, dtype=torch.bool)), maps[0])
    assert not list(network.parameters())
