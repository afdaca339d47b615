"""The original vision transformer and models with its layout."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from coterie.families.base import ModelFamily, Role, assign_one_row_per_sample

LAYER = r"(\w+\.)?layers\.\d+\."


class ViT(ModelFamily):
    """ViT, DeiT, ViT-MSN and I-JEPA. Pooler and classifier have no role."""

    model_types = ("deit", "ijepa", "vit", "vit_msn")
    roles: ClassVar = {
        "vision.attn": Role(
            block=LAYER + "attention", linears=LAYER + r"attention\.(q|k|v|o)_proj"
        ),
        "vision.mlp": Role(block=LAYER + "mlp", linears=LAYER + r"mlp\.fc[12]"),
    }
    towers: ClassVar = {"vision": ".*"}

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        return assign_one_row_per_sample(inputs)
