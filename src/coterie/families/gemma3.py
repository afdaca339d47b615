"""Gemma 3 with images: SigLIP tower, a pooled projection and the Gemma decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily
from coterie.families.llava import Llava


class Gemma3(ModelFamily):
    """Gemma 3 with images; without, it is `gemma3_text`.

    It has no `connector` role: the projection is a bare parameter of `multi_modal_projector`, so
    there is no linear layer to add experts to.
    """

    model_types = ("gemma3",)
    roles: ClassVar = {role: names for role, names in Llava.roles.items() if role != "connector"}
    towers: ClassVar = Llava.towers
    placeholders = ("image",)
