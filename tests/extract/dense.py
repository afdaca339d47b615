"""A tiny grafted `MultiTaskVisionModel` whose tasks choose different experts."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

import coterie
from coterie import AttentionHeads, Copies, Mixture, TaskGate, TopK
from tests.evaluate.dense_runs import RandomPictures
from tests.tasks.dense.tiny import TASKS, model, pictures

PICTURES = RandomPictures(splits=("validation", "test"), count=5)
NAMES = tuple(task["name"] for task in TASKS)
GATE = TaskGate(init_std=1.0)


def mixtures(**router: Any) -> tuple[Mixture, ...]:
    """Attention and MLP experts in place of the host's."""
    return (
        Mixture(at="vision.attn", experts=AttentionHeads(count=6, replace=True, init="fresh"),
                gate=GATE,
                router=TopK(k=2, **router)),
        Mixture(at="vision.mlp", experts=Copies(count=8, divisor=2, init="fresh"), gate=GATE,
                router=TopK(k=2, **router)),
    )  # fmt: skip


def grafted(
    family: str = "vit", found: tuple[Mixture, ...] | None = None, **choices: Any
) -> PeftModel:
    """In eval mode, with weights of its own."""
    host = model(family, **choices)
    return coterie.graft(host, mixtures() if found is None else found, tasks=NAMES).eval()


@torch.no_grad()
def alone(whole: PeftModel, task: str) -> Tensor:
    """What the whole model says of the tiny pictures for one task."""
    return whole(pixel_values=pictures(), tasks=(task,)).predictions[task]


def report(folder: Path) -> dict:
    """What `extract` wrote of its work."""
    return json.loads((folder / "coterie_extract.json").read_text())
