"""DINOv2, with or without registers, and DINOv3."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles

LAYER = r"(\w+\.)?(encoder|model)\.layer\.\d+\."
MLP_LINEARS = r"(fc[12]|(gate|up|down)_proj)"


class Dinov2(ModelFamily):
    """The DINO vision transformers; their largest sizes have a gated MLP. Heads have no role."""

    model_types = ("dinov2", "dinov2_with_registers", "dinov3_vit")
    roles = make_block_roles("vision", LAYER, "attention", r"(q|k|v|o)_proj", MLP_LINEARS)
    towers: ClassVar = {"vision": ".*"}
