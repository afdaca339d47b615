"""Swin: window attention in stages of different width."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles

LAYER = r"(\w+\.)?encoder\.layers\.\d+\.blocks\.\d+\."


class Swin(ModelFamily):
    """Swin transformers; rows of the attention are windows, those of the MLP images."""

    model_types = ("swin",)
    roles = make_block_roles("vision", LAYER, "attention", r"(q|k|v|o)_proj")
    towers: ClassVar = {"vision": ".*"}
