"""U3M's block: its published size, its branches on maps worked out by hand, missing sensors."""

import pytest
import torch
from torch import nn

from coterie.models.multitask_vision.fusions.u3m import FusionBlock, U3MFusion
from tests.tinies.base import seeded

ALL = torch.ones(2, 1, dtype=torch.bool)


def plain_block(width: int = 1) -> FusionBlock:
    """A block of two sensors without pointwise convolutions and norms, all weights 1, biases 0."""
    block = FusionBlock(2, width, 1)
    for each in (block.pool_in, block.pool_out, block.conv_in, block.conv_out):
        each[0], each[1] = nn.Identity(), nn.Identity()
    with torch.no_grad():
        for name, each in block.named_parameters():
            each.fill_(0.0 if name.endswith("bias") else 1.0)
    return block


@pytest.mark.parametrize(("sensors", "wanted"), [(2, 2_853_888), (4, 3_623_936)])
def test_size_at_the_widths_of_segformer(sensors: int, wanted: int) -> None:
    # At width C: (M C + 1) C in, (C + 1) C out, 4 pointwise convolutions of (C + 3) C with their
    # norms, 4 * 2 C for the pooled, (9 + 25 + 49 + 3) C depthwise, 2 C C / 16 for the gate.
    with torch.device("meta"):
        blocks = [U3MFusion().build(sensors, width) for width in (64, 128, 320, 512)]
    assert sum(each.numel() for block in blocks for each in block.parameters()) == wanted


def test_pooled_maps_are_resized_and_added() -> None:
    features = torch.zeros(1, 1, 6, 6)
    features[..., 0, 0] = 36.0
    found = plain_block()._pool(features)
    # Means over the cells of the corner: 36 / 36, 36 / 9, 36 / 4, 36 / 1; of the opposite: 36 / 36.
    assert found[0, 0, 0, 0].item() == 1 + 4 + 9 + 36 and found[0, 0, 5, 5].item() == 1


def test_convolutions_of_three_sides_are_added_to_their_input() -> None:
    features = torch.zeros(1, 1, 9, 9)
    features[..., 4, 4] = 1.0
    # Itself and 3 kernels; then the 3, 5 and 7 reach 1, 2 and 3 cells far.
    assert plain_block()._convolve(features)[0, 0, 4, 4:].tolist() == [4, 3, 2, 1, 0]


def test_one_cell_by_hand() -> None:
    block, kind = plain_block(), U3MFusion(reduction=1)
    maps = torch.tensor([3.0, 1.0]).view(2, 1, 1, 1, 1)
    with torch.no_grad():
        block.linear_in.weight[0, :, 0, 0] = torch.tensor([1.0, 2.0])
        block.excite.weight.zero_()
    # z = 3 + 2; p = z + 4 z, c = 4 z: 9 z = 45, where GELU is the identity; the gate is 1 / 2.
    assert kind.join(block, maps, ALL).item() == pytest.approx(45 / 2)
    # Without the second: z = 2 * 3, so 54 / 2. Without the first: z = 2 * 2, so 36 / 2.
    for present, wanted in ((0, 27), (1, 18)):
        one = torch.tensor([[present == 0], [present == 1]])
        damaged = maps.where(one[..., None, None, None], torch.nan)
        assert kind.join(block, damaged, one).item() == pytest.approx(wanted)
    with torch.no_grad():
        block.excite.weight.fill_(100.0)  # a gate that is open
    assert kind.join(block, maps, ALL).item() == pytest.approx(45)


def test_weights_start_as_in_the_released_code() -> None:
    block = seeded(lambda: U3MFusion().build(2, 64))
    assert isinstance(block, FusionBlock)
    # He et al.: the variance is 2 / inputs, of the gate 2 / outputs.
    assert block.linear_in.weight.var().item() == pytest.approx(2 / 128, rel=0.1)
    assert block.excite.weight.var().item() == pytest.approx(2 / 64, rel=0.3)


def test_reductions_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"U3MFusion\(reduction=0\): give at least 1"):
        U3MFusion(reduction=0)
    with pytest.raises(ValueError, match="no features of a backbone of width 8: give at most 8"):
        U3MFusion().build(2, 8)
