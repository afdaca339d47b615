"""What a checkpoint puts back is what was there, wherever it lies in memory."""

import torch

from coterie.train import checkpoint


def stepped(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> None:
    # As autograd lays gradients: like their parameter.
    parameter.grad = torch.empty_like(parameter).copy_(torch.arange(6.0).view(2, 3) - 2)
    optimizer.step()


def test_moments_lie_as_their_parameter_does() -> None:
    # Transposed: its memory runs down the columns. Fused optimizers go by memory.
    whole = torch.nn.Parameter(torch.ones(3, 2).t())
    one = torch.optim.AdamW([whole], lr=0.1, fused=True)
    stepped(one, whole)
    saved = {
        # As a file gives them back.
        name: values.clone(memory_format=torch.contiguous_format)
        for name, values in checkpoint.get_optimizer_tensors(one).items()
    }
    again = torch.nn.Parameter(whole.detach().clone())
    assert again.stride() == whole.stride() == (1, 2)
    two = torch.optim.AdamW([again], lr=0.1, fused=True)
    checkpoint.load_optimizer(two, saved)
    assert two.state[again]["exp_avg"].stride() == (1, 2)
    stepped(one, whole)
    stepped(two, again)
    assert torch.equal(one.state[whole]["exp_avg"], two.state[again]["exp_avg"])
    assert torch.equal(whole, again)
