"""What the tests of grafted models share: a graft with weights that matter, and its gradients."""

import re
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

import coterie
from coterie import Mixture
from coterie.families.base import find_family
from tests.tiny import TINY, Tiny

TASKS = ("caption", "ocr")
IDS = torch.tensor([0, 1])
# Their modules and rows are those of another family here; `make test-slow` has them, too.
TWINS = {
    "qwen2": "llama", "siglip": "clip", "smolvlm": "idefics3", "qwen2_5_vl": "qwen2_vl",
    "qwen2_5_omni": "qwen2_vl", "qwen3_vl_moe": "qwen3_vl", "glm4v": "qwen2_vl",
    "glm4v_moe": "qwen2_vl", "swin": "vit", "convnext": "vit", "paligemma": "gemma3",
    "gemma4": "gemma3", "llava_pixtral": "llava", "llava_next": "llava_onevision",
    "mllama": "llava", "mistral3": "llava", "qwen3_omni": "qwen3_vl", "blip_2": "llava",
    "instructblip": "llava", "gemma3n": "llava",
}  # fmt: skip


def roles(family: str) -> list[str]:
    """The family's roles that its tiny model has: the image classifiers have no text side."""
    model = TINY[family]().model
    found = find_family(model).roles.items()
    names = [name for name, _ in model.named_modules()]
    return [key for key, role in found if any(re.fullmatch(role.linears, name) for name in names)]


def awake(model: nn.Module, seed: int = 1, scale: float = 0.1) -> None:
    """Gives every adapter weight a random value, since experts and task gates start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, weights in model.named_parameters():
        if ".coterie_" in name:
            noise = torch.randn(weights.shape, generator=generator) * scale
            weights.data += noise.to(weights.dtype)


def grafted(tiny: Tiny, *mixtures: Mixture, **options: Any) -> PeftModel:
    torch.manual_seed(0)
    model = coterie.graft(tiny.model, mixtures, tasks=TASKS, **options)
    awake(model)
    return model.eval()


def logits(model: nn.Module, batch: dict[str, Any], tasks: Tensor | None = IDS) -> Tensor:
    with torch.no_grad():
        return model(**batch, task_ids=tasks).logits


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {
        name: weights.grad.clone()
        for name, weights in model.named_parameters()
        if weights.requires_grad and weights.grad is not None
    }
    model.zero_grad()
    return found


def same(first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float = 1e-6) -> None:
    assert first.keys() == second.keys() and first
    for name in first:
        torch.testing.assert_close(
            first[name], second[name], atol=tolerance, rtol=1e-4, msg=lambda t, n=name: f"{n}: {t}"
        )


def trained(model: nn.Module, batch: dict[str, Any], rate: float) -> list[float]:
    """The losses of four steps; every weight that learns must have had a gradient."""
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate)
    losses = []
    for _ in range(4):
        loss = model(**batch, task_ids=IDS).loss
        loss.backward()
        assert all(each.grad is not None for each in weights)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
