"""Idefics3 and SmolVLM: SigLIP tower, pixel shuffle and one linear map, Llama decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.families.base import ModelFamily, Role
from coterie.families.clip import make_encoder_roles
from coterie.families.llama import make_decoder_roles

CONNECTOR = r"(model\.)?connector"


class Idefics3(ModelFamily):
    """Idefics3 and SmolVLM, for which video frames are images, with the image token."""

    model_types = ("idefics3", "smolvlm")
    roles: ClassVar = {
        **make_decoder_roles(r"(model\.)?text_model\."),
        **make_encoder_roles("vision", r"(model\.)?vision_model\."),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.modality_projection\.proj"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_model(\..*)?",
        "connector": CONNECTOR + r"(\..*)?",
    }

    def get_placeholder_ids(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
