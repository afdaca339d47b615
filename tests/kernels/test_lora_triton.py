"""The Triton kernels in Triton's interpreter; tests/accelerator has them on a GPU.

In a process of their own: the interpreter is chosen when triton is imported, and the tests' shape
checks decorate functions, which triton does not read then.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from coterie.kernels.lora_reference import LoraCall, RankLayout
from coterie.kernels.lora_triton import supports_triton
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting

INTERPRETED = """
import torch
from coterie.experts.lora import Lora
from coterie.kernels.lora_reference import LoraCall, RankLayout, apply_reference
from coterie.kernels.lora_triton import apply_kernels
from coterie.mixture import Mixture
from coterie.routing.decision import DeferredRouting
from coterie.routing.routers.rectified import Rectified
from coterie.routing.routers.softmax import Softmax
from coterie.routing.routers.top_k import TopK

torch.manual_seed(0)
routers = [Softmax(), Softmax(temperature=0.7), Rectified(bias=0.1), Rectified(bias=-100.0),
           TopK(k=1), TopK(k=2, temperature=0.5), TopK(k=2, normalize="selected")]
sizes = [(1, (1, 2)), (70, (4, 8, 1, 17, 32)), (32, (3,) * 4)]
for tokens, ranks in sizes:
    for router in routers:
        for has_loss in (False, True):
            width, out, rank, experts = 6, 5, sum(ranks), len(ranks)
            leaves = [torch.randn(*shape, requires_grad=True) for shape in
                      [(tokens, width), (rank, width), (rank, out), (experts, width), (experts,)]]
            x, down, up, rows, offset = leaves
            mixture = Mixture(experts=Lora(ranks=ranks), router=router)
            deferred = DeferredRouting(make_decision=mixture.decide, gate_weight=rows,
                gate_bias=offset, kernel_router=mixture.kernel_router)
            layout = RankLayout(ranks, tuple(8 / rank for rank in ranks))
            call = LoraCall(x=x, down=down, up=up, layout=layout, weight=torch.randn(out, width))
            upstream, more = torch.randn(tokens, out), torch.randn(tokens, experts)
            found = []
            for form in (apply_kernels, apply_reference):
                y, decision = form(call, deferred)
                loss = (y * upstream).sum()
                if has_loss:
                    loss = loss + (decision.weights * more).sum() + decision.logits.square().sum()
                    loss = loss + (decision.probs * more.flip(0)).sum()
                found.append([y, *decision, *torch.autograd.grad(loss, leaves)])
            for given, wanted in zip(*found, strict=True):
                torch.testing.assert_close(given, wanted, atol=1e-4, rtol=1e-4)
print("equal")
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.slow
def test_kernels_in_the_interpreter() -> None:
    result = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == "equal\n", result.stderr[-3000:]


def test_they_are_for_gpus() -> None:
    call = LoraCall(
        x=torch.zeros(2, 4), down=torch.zeros(2, 4), up=torch.zeros(2, 3),
        layout=RankLayout((1, 1), (1.0, 1.0)), weight=torch.zeros(3, 4),
    )  # fmt: skip
    mixture = Mixture()
    deferred = DeferredRouting(
        make_decision=mixture.decide,
        gate_weight=torch.zeros(2, 4),
        kernel_router=mixture.kernel_router,
    )
    assert not supports_triton(call, deferred)
