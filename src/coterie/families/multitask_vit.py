"""The multi-task vision backbone, which runs several tasks on the same images in one pass."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coterie.families.base import ModelFamily, make_block_roles, require_input

BLOCK = r"backbone\.(\w+\.)*layers?\.\d+\."


class MultiTaskViT(ModelFamily):
    """`coterie.models.MultiTaskVisionModel` on ViT, DINO, SigLIP or CLIP; heads have no role.

    The rows of its blocks are tasks times images, sorted by task, so it knows their tasks.
    """

    model_types = ("coterie_multi_task",)
    roles: ClassVar = make_block_roles(
        "vision",
        BLOCK,
        r"(attention|self_attn)",
        r"(q|k|v|o|out)_proj",
        r"(fc[12]|(gate|up|down)_proj)",
    )
    towers: ClassVar = {"vision": ".*"}
    new_parameters = r"(heads|embeddings)\..*"

    def get_task_of_rows(self, inputs: Mapping[str, Any], config: Any) -> Int[Tensor, " rows"]:
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
        below = [name for name in names if get_block_index(name) < config.shared_layers]
        if not below:
            return None
        later = (BLOCK + "mlp").replace(r"\d+", str(config.shared_layers))
        return (
            f"a mixture sits at {below[0]}, in one of the first shared_layers="
            f"{config.shared_layers} blocks, which run once for all tasks: give fewer shared "
            f"layers, or at= a regular expression of later blocks, such as r'{later}'"
        )

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        return torch.ones_like(self.get_task_of_rows(inputs, config), dtype=torch.float32)


def get_block_index(name: str) -> float:
    """Return the index of the block that a module is in, from 0; infinite if it is in none."""
    found = re.match(r"backbone\.(?:\w+\.)*layers?\.(\d+)\.", name)
    return float(found[1]) if found else math.inf
