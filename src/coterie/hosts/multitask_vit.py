"""A vision backbone that runs several tasks on the same pictures in one pass."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coterie.hosts.base import Host, Role, required

BLOCK = r"backbone\.(\w+\.)*layers?\.\d+\."
MLP = r"mlp"
ATTENTION = r"(attention|self_attn)"


class MultiTaskViT(Host):
    """`coterie.dense.MultiTaskVision` on ViT, DINO, SigLIP or CLIP backbones; heads have no role.

    The rows of its blocks are tasks times pictures, task by task, so it knows their tasks.
    """

    model_types = ("coterie_multi_task",)
    roles: ClassVar = {
        "vision.attn": Role(
            block=BLOCK + ATTENTION, linears=BLOCK + ATTENTION + r"\.(q|k|v|o|out)_proj"
        ),
        "vision.mlp": Role(
            block=BLOCK + MLP, linears=BLOCK + MLP + r"\.(fc[12]|(gate|up|down)_proj)"
        ),
    }
    towers: ClassVar = {"vision": ".*"}

    def row_tasks(self, inputs: Mapping[str, Any], config: Any) -> Int[Tensor, " rows"]:
        pictures = required(inputs, "pixel_values")
        names = config.chosen(inputs.get("tasks"))
        numbers = torch.tensor([config.names.index(name) for name in names])
        return numbers.to(pictures.device).repeat_interleave(len(pictures))

    def shares(self, inputs: Mapping[str, Any], config: Any) -> Float[Tensor, " batch"]:
        return torch.ones_like(self.row_tasks(inputs, config), dtype=torch.float32)
