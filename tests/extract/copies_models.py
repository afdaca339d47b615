"""Tiny language models with Copies at their MLPs, with weights of their own."""

from collections.abc import Sequence

import torch
from peft import PeftModel

from coterie import Copies, Lora, Mixture, TokenGate, TopK, graft
from tests.tiny import TINY

COPIES = Mixture(
    at="text.mlp", experts=Copies(count=3), gate=TokenGate(), router=TopK(normalize="selected")
)
ATTENTION = Mixture(at="text.attn", experts=Lora(ranks=(3,)), gate=None)


def grafted(
    mixtures: Sequence[Mixture] = (COPIES,), family: str = "llama", tasks: Sequence[str] = ()
) -> PeftModel:
    """In eval mode."""
    model = graft(TINY[family]().model, tuple(mixtures), tasks=tuple(tasks)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coterie_" in name:
                weight.add_(torch.randn_like(weight) * 0.1)
    return model
