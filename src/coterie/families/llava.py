"""LLaVA: a CLIP or SigLIP tower, a two-layer connector and a llama-like decoder."""

from typing import ClassVar

from coterie.families.base import ModelFamily, make_block_roles, make_role
from coterie.families.llama import make_decoder_roles

# Of CLIP and SigLIP, or of Pixtral.
VISION = r"(model\.)?vision_tower\.(encoder|transformer)\.layers\.\d+\."


class Llava(ModelFamily):
    """LLaVA 1.5 and similar models, also those with a Pixtral tower, which packs all patches."""

    model_types = ("llava",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_block_roles(
            "vision",
            VISION,
            "(self_attn|attention)",
            "(q|k|v|o|out)_proj",
            "(fc[12]|(gate|up|down)_proj)",
            mlp="(mlp|feed_forward)",
        ),
        "connector": make_role(r"(model\.)?multi_modal_projector", r"linear_[12]"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_tower(\..*)?",
        "connector": r"(model\.)?multi_modal_projector(\..*)?",
    }
    placeholders = ("image",)
