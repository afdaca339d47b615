"""ConvNeXt and DINOv3's ConvNeXt: convolutions with two linear layers a block."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_role

LAYER = r"(\w+\.)*stages\.\d+\.layers\.\d+"


class ConvNext(ModelFamily):
    """ConvNeXt, v1, v2 and DINOv3's. The linear layers of a block are its MLP; it has no other."""

    model_types = ("convnext", "convnextv2", "dinov3_convnext")
    roles: ClassVar = {"vision.mlp": make_role(LAYER, r"(pwconv|pointwise_conv)[12]")}
    towers: ClassVar = {"vision": ".*"}
