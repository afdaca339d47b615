"""CLIP: one encoder for images, one for captions."""

from typing import ClassVar

from coterie.families.base import ModelFamily, Role, make_block_roles


def make_encoder_roles(tower: str, prefix: str) -> dict[str, Role]:
    """Return the roles of a CLIP-like encoder, whose module name before `encoder` is `prefix`."""
    layer = prefix + r"encoder\.layers\.\d+\."
    return make_block_roles(tower, layer, "self_attn", r"(q|k|v|out)_proj")


class Clip(ModelFamily):
    """CLIP, both encoders or the vision encoder alone. The final projections have no role."""

    model_types = ("clip", "clip_vision_model")
    roles: ClassVar = {
        **make_encoder_roles("text", r"text_model\."),
        **make_encoder_roles("vision", r"(vision_model\.)?"),
    }
    towers: ClassVar = {"vision": r"(?!text_).*"}
