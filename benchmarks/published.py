"""LoRA mixtures as their papers' code runs them: a loop over experts, routed in float32."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LoopLora(nn.Module):
    """sum_e softmax(router(x))_e * scale * up_e(down_e(x)) plus a frozen linear layer.

    Source: LoRAMoE (arXiv:2312.09979) and its form in MoE-PEFT, whose experts and router are
    float32 by default; `dtype` is the experts'.
    """

    def __init__(
        self,
        host: nn.Linear,
        ranks: tuple[int, ...],
        scale: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.host = host.requires_grad_(False)
        width, out, device = host.in_features, host.out_features, host.weight.device
        options = {"bias": False, "device": device, "dtype": dtype}
        self.down = nn.ModuleList(nn.Linear(width, rank, **options) for rank in ranks)
        self.up = nn.ModuleList(nn.Linear(rank, out, **options) for rank in ranks)
        self.router = nn.Linear(width, len(ranks), bias=False, device=device)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y = self.host(x)
        gates = F.softmax(self.router(x.float()), -1)
        x = x.to(self.down[0].weight.dtype)
        for expert, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            y = y + (gates[..., expert, None] * up(down(x)) * self.scale).to(y.dtype)
        return y
