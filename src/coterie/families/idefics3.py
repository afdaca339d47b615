"""Idefics3 and SmolVLM: SigLIP tower, pixel shuffle and one linear map, Llama decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_role
from coterie.families.clip import make_encoder_roles
from coterie.families.llama import make_decoder_roles


class Idefics3(ModelFamily):
    """Idefics3 and SmolVLM, for which video frames are images, with the image token."""

    model_types = ("idefics3", "smolvlm")
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?text_model\."),
        **make_encoder_roles("vision", r"(model\.)?vision_model\."),
        "connector": make_role(r"(model\.)?connector", r"modality_projection\.proj"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_model(\..*)?",
        "connector": r"(model\.)?connector(\..*)?",
    }
    placeholders = ("image",)
    packages: ClassVar = {"smolvlm": ("num2words",)}
