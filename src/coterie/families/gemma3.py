"""Gemma 3 with images: SigLIP tower, a pooled projection and the Gemma decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily
from coterie.families.clip import make_encoder_roles
from coterie.families.llama import make_decoder_roles


class Gemma3(ModelFamily):
    """Gemma 3 with images; without, it is `gemma3_text`.

    It has no `connector` role: the projection is a bare parameter of `multi_modal_projector`, so
    there is no linear layer to add experts to.
    """

    model_types = ("gemma3",)
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?language_model\."),
        **make_encoder_roles("vision", r"(model\.)?vision_tower\."),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_tower(\..*)?",
        "connector": r"(model\.)?multi_modal_projector(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
