"""InternVL: a vision transformer over tiles, pixel shuffle, a two-layer connector, a decoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

from coterie.hosts.base import Host, Role
from coterie.hosts.llama import decoder

LAYER = r"(model\.)?vision_tower\.encoder\.layer\.\d+\."
CONNECTOR = r"(model\.)?multi_modal_projector"


class InternVl(Host):
    """InternVL in its transformers form. Frames of a video are images, with the image token."""

    model_types = ("internvl",)
    roles: ClassVar = {
        **decoder(r"(model\.)?language_model\."),
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

    def placeholders(self, config: Any) -> Mapping[str, int]:
        return {"image": config.image_token_id}
