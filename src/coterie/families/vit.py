"""The original vision transformer and models with its layout."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles


class ViT(ModelFamily):
    """ViT, DeiT, ViT-MSN and I-JEPA. Pooler and classifier have no role."""

    model_types = ("deit", "ijepa", "vit", "vit_msn")
    roles = make_block_roles("vision", r"(\w+\.)?layers\.\d+\.", "attention", r"(q|k|v|o)_proj")
    towers: ClassVar = {"vision": ".*"}
