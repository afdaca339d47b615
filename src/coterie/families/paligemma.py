"""PaliGemma 1 and 2: SigLIP tower, one linear map and a Gemma decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_role
from coterie.families.llava import Llava


class PaliGemma(ModelFamily):
    """PaliGemma, whose prompt tokens see each other in both directions."""

    model_types = ("paligemma",)
    roles: ClassVar = {
        **Llava.roles,
        "connector": make_role(r"(model\.)?multi_modal_projector", "linear"),
    }
    towers: ClassVar = Llava.towers
    placeholders = ("image",)
