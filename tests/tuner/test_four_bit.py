"""Gradients through a 4-bit layer after an evaluation, whatever the CPU."""

import pytest
import torch
from torch import nn

from coterie.tuner.four_bit import keep_four_bit_layout


@pytest.mark.filterwarnings("ignore")  # bitsandbytes warns about some CPUs
def test_an_evaluation_changes_nothing() -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    # 48 is no multiple of the block of 64.
    plain = nn.Linear(48, 32, bias=False)
    layer = bitsandbytes.nn.Linear4bit(48, 32, bias=False, quant_type="nf4")
    layer.load_state_dict(plain.state_dict())
    layer.weight = layer.weight._quantize(torch.device("cpu"))
    keep_four_bit_layout(nn.Sequential(layer))
    x = torch.randn(3, 48)

    def train() -> tuple[torch.Tensor, torch.Tensor]:
        moved = torch.zeros(48, requires_grad=True)
        out = layer.train()(x + moved)
        return out.detach(), torch.autograd.grad(out.sum(), moved)[0]

    before = train()
    with torch.no_grad():
        evaluated = layer.eval()(x)
    after = train()
    assert torch.equal(evaluated, before[0])
    assert torch.equal(after[0], before[0]) and torch.equal(after[1], before[1])
    # NF4 is off by a few percent of the largest weight of a block.
    assert (evaluated - plain(x)).abs().max() < 0.3 * plain(x).abs().max()


def test_other_layers_are_left() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    keep_four_bit_layout(model)
    assert not hasattr(model[0], "support_avx512bf16_for_cpu")
