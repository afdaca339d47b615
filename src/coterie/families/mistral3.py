"""Mistral 3: a Pixtral tower over packed patches, a patch merger and a Mistral decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_role
from coterie.families.llava import Llava


class Mistral3(ModelFamily):
    """Mistral Small 3.1 and later. LLaVA's own Pixtral models are in `Llava`.

    The tower packs the patches of all images into one sequence, in their order; the merger makes
    one row of four. Its linear layer counts to the connector.
    """

    model_types = ("mistral3",)
    roles: ClassVar = {
        **Llava.roles,
        "connector": make_role(
            r"(model\.)?multi_modal_projector", r"(linear_[12]|patch_merger\.merging_layer)"
        ),
    }
    towers: ClassVar = Llava.towers
    placeholders = ("image",)
    packages: ClassVar = {"mistral3": ("torchvision",)}
