"""DINOv2, with or without registers, and DINOv3."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from coterie.families.base import ModelFamily, Role, assign_one_row_per_sample

LAYER = r"(\w+\.)?(encoder|model)\.layer\.\d+\."


class Dinov2(ModelFamily):
    """The DINO vision transformers; their largest sizes have a gated MLP. Heads have no role."""

    model_types = ("dinov2", "dinov2_with_registers", "dinov3_vit")
    roles: ClassVar = {
        "vision.attn": Role(
            block=LAYER + "attention", linears=LAYER + r"attention\.(q|k|v|o)_proj"
        ),
        "vision.mlp": Role(
            block=LAYER + "mlp", linears=LAYER + r"mlp\.(fc[12]|(gate|up|down)_proj)"
        ),
    }
    towers: ClassVar = {"vision": ".*"}

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        return assign_one_row_per_sample(inputs)
