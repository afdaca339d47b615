"""LLaVA: a CLIP or SigLIP tower, a two-layer connector and a llama-like decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily, Role
from coterie.families.clip import make_encoder_roles
from coterie.families.llama import make_decoder_roles

CONNECTOR = r"(model\.)?multi_modal_projector"


class Llava(ModelFamily):
    """LLaVA 1.5 and similar models. A Pixtral tower has other names and matches no vision role."""

    model_types = ("llava",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_encoder_roles("vision", r"(model\.)?vision_tower\."),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.linear_[12]"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_tower(\..*)?",
        "connector": CONNECTOR + r"(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
