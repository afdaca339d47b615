"""Grafted tiny models whose experts and gates are no longer as they started."""

from collections.abc import Sequence

import torch
from peft import PeftModel

from coterie import Lora, Mixture, TaskGate, TopK, graft
from tests.tiny import TINY, Tiny

TASKS = ("caption", "ocr")
STATIC = TaskGate(per_token=False, init_std=1.0)

# Unequal ranks, a complement of squared weights, two mixtures, one of them without a gate.
MIXTURES = (
    Mixture(
        at="text.mlp",
        experts=Lora(ranks=(2, 4, 8)),
        gate=STATIC,
        router=TopK(k=2),
        shared=Lora(ranks=(3,)),
        blend="complement",
        weight_exponent=2,
    ),
    Mixture(at="text.attn", experts=Lora(ranks=(5,), alpha=2.0), gate=None),
)


def grafted(
    family: str = "llama",
    mixtures: Sequence[Mixture] = MIXTURES,
    tasks: tuple[str, ...] = TASKS,
    modules_to_save: list[str] | None = None,
) -> tuple[PeftModel, Tiny]:
    """A grafted tiny model in eval mode, and the tiny it was made of, which it has changed."""
    tiny = TINY[family]()
    model = graft(tiny.model, mixtures, tasks=tasks, modules_to_save=modules_to_save).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "coterie_experts" in name:
                weight.normal_(0, 0.1)
    return model, tiny


def only(mixture: Mixture) -> tuple[PeftModel, Tiny]:
    """One mixture in a tiny Llama."""
    return grafted(mixtures=(mixture,))
