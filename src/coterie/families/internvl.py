"""InternVL: a vision transformer over tiles, pixel shuffle, a two-layer connector, a decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily, Role
from coterie.families.llama import make_decoder_roles

LAYER = r"(model\.)?vision_tower\.encoder\.layer\.\d+\."
CONNECTOR = r"(model\.)?multi_modal_projector"


class InternVl(ModelFamily):
    """InternVL in its transformers form. Video frames are images, with the image token."""

    model_types = ("internvl",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        "vision.attn": Role(
            block=LAYER + "attention",
            linears=LAYER + r"attention\.((q|k|v)_proj|projection_layer)",
        ),
        "vision.mlp": Role(block=LAYER + "mlp", linears=LAYER + r"mlp\.fc[12]"),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.linear_[12]"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_tower(\..*)?",
        "connector": CONNECTOR + r"(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
