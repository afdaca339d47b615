"""InternVL: a vision transformer over tiles, pixel shuffle, a two-layer connector, a decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles
from coterie.families.llava import Llava

LAYER = r"(model\.)?vision_tower\.encoder\.layer\.\d+\."


class InternVl(ModelFamily):
    """InternVL in its transformers form. Video frames are images, with the image token."""

    model_types = ("internvl",)
    roles: ClassVar = {
        **Llava.roles,
        **make_block_roles("vision", LAYER, "attention", r"((q|k|v)_proj|projection_layer)"),
    }
    towers: ClassVar = Llava.towers
    placeholders = ("image",)
