import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from coterie.kernels.gate_expand import expand_gated_reference

# Sizes below, at and above the kernel's blocks; ranks that differ; experts without a column.
INTERPRETED = """
import torch
from coterie.kernels.gate_expand import expand_gated_reference, expand_gated_triton

torch.manual_seed(0)
sizes = [(1, 1, [1]), (70, 96, [4, 8, 0, 17, 32]), (64, 64, [32]), (5, 130, [3] * 9)]
for tokens, out, ranks in sizes:
    for dtype, tolerance in [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)]:
        owner = torch.arange(len(ranks)).repeat_interleave(torch.tensor(ranks))
        owner = owner[torch.randperm(len(owner))]
        wide = torch.randn(tokens, out + 3).to(dtype)
        h = torch.randn(tokens, len(owner)).to(dtype)
        up = torch.randn(len(owner), out).to(dtype)
        gates = torch.rand(tokens, len(ranks))
        floats = (t.double() for t in (wide[:, :out].clone(), h, gates))
        wanted = expand_gated_reference(*floats, owner, up.double())
        given = expand_gated_triton(wide[:, :out], h, gates, owner, up)
        assert given.data_ptr() == wide.data_ptr()
        error = (given.double() - wanted).norm() / wanted.norm()
        assert error < tolerance, (tokens, out, ranks, dtype, error)
print("equal")
"""


def test_by_hand() -> None:
    y = torch.tensor([[100.0, 200.0]])
    h, gates = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 0.5]])
    up = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # h weighed: [1*0.5, 2*10, 3*10] = [0.5, 20, 30]; times up: [30.5, 50]
    given = expand_gated_reference(y, h, gates, torch.tensor([1, 0, 0]), up)
    assert given is y
    assert y.tolist() == [[130.5, 250.0]]


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.slow
def test_kernel_in_the_interpreter() -> None:
    result = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "equal\n", result.stderr
