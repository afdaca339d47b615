"""The multi-task vision backbone, which runs several tasks on the same images in one pass."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from coterie.families.base import Inputs, ModelFamily, Shares, make_block_roles, require_input
from coterie.families.dinov2 import MLP_LINEARS

BLOCK = r"(backbone|sensor_backbones\.\w+)\.(\w+\.)*layers?\.\d+\."


class MultiTaskViT(ModelFamily):
    """`coterie.models.MultiTaskVisionModel` on ViT, DINO, SigLIP or CLIP; heads have no role.

    The rows of its blocks are tasks times images, sorted by task, so it knows their tasks.
    """

    model_types = ("coterie_multi_task",)
    roles = make_block_roles(
        "vision", BLOCK, r"(attention|self_attn)", r"(q|k|v|o|out)_proj", MLP_LINEARS
    )
    towers: ClassVar = {"vision": ".*"}
    # Patch embeddings of added sensors are those of an image at first, and have to learn.
    new_parameters = r"(heads|embeddings|fusion)\..*|sensor_backbones\.\w+\..*patch_embed.*"

    def get_task_of_rows(self, inputs: Inputs, config: Any) -> Int[Tensor, " rows"]:
        images = require_input(inputs, "pixel_values")
        return config.get_task_of_rows(inputs.get("tasks"), images)

    def find_site_problem(
        self, names: Sequence[str], tasks: Sequence[str], config: Any
    ) -> str | None:
        if tasks and tuple(tasks) != config.names:
            return (
                f"tasks={tuple(tasks)}: this model tells its rows' tasks itself, and numbers them "
                f"as its heads, so give tasks={config.names}"
            )
        for name in names:
            block = re.match(BLOCK.replace(r"\d+", r"(?P<index>\d+)"), name)
            if block and int(block["index"]) < config.shared_layers:
                later = (BLOCK + "mlp").replace(r"\d+", str(config.shared_layers))
                return (
                    f"a mixture sits at {name}, in one of the first shared_layers="
                    f"{config.shared_layers} blocks, which run once for all tasks: give fewer "
                    f"shared layers, or at= a regular expression of later blocks, such as "
                    f"r'{later}'"
                )
        return None

    def count_rows_per_sample(self, tower: str, inputs: Inputs, config: Any) -> Shares:
        return torch.ones_like(self.get_task_of_rows(inputs, config), dtype=torch.float32)
