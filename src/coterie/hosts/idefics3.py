"""Idefics3 and SmolVLM: SigLIP tower, pixel shuffle and one linear map, Llama decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.hosts.base import Host, Role
from coterie.hosts.clip import encoder
from coterie.hosts.llama import decoder

CONNECTOR = r"(model\.)?connector"


class Idefics3(Host):
    """Idefics3 and SmolVLM. Frames of a video are images to them, with the image token."""

    model_types = ("idefics3", "smolvlm")
    roles: ClassVar = {
        **decoder(r"(model\.)?text_model\."),
        **encoder("vision", r"(model\.)?vision_model\."),
        "connector": Role(block=CONNECTOR, linears=CONNECTOR + r"\.modality_projection\.proj"),
    }
    towers: ClassVar = {
        "vision": r"(model\.)?vision_model(\..*)?",
        "connector": CONNECTOR + r"(\..*)?",
    }

    def placeholders(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
