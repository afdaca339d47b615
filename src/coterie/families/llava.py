"""LLaVA: a CLIP or SigLIP tower, a two-layer connector and a llama-like decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_role
from coterie.families.clip import make_encoder_roles
from coterie.families.llama import make_decoder_roles


class Llava(ModelFamily):
    """LLaVA 1.5 and similar models. A Pixtral tower has other names and matches no vision role."""

    model_types = ("llava",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_encoder_roles("vision", r"(model\.)?vision_tower\."),
        "connector": make_role(r"(model\.)?multi_modal_projector", r"linear_[12]"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_tower(\..*)?",
        "connector": r"(model\.)?multi_modal_projector(\..*)?",
    }
    placeholders = ("image",)
