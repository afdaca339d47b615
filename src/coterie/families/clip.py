"""CLIP: one encoder for images, one for captions."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from coterie.families.base import ModelFamily, Role, assign_one_row_per_sample


def make_encoder_roles(tower: str, prefix: str) -> dict[str, Role]:
    """Return the attention and MLP roles of a CLIP-like encoder.

    Args:
        tower: "text" or "vision", the first half of the role names.
        prefix: regular expression of the module name before `encoder`.
    """
    layer = prefix + r"encoder\.layers\.\d+\."
    return {
        f"{tower}.attn": Role(
            block=layer + "self_attn", linears=layer + r"self_attn\.(q|k|v|out)_proj"
        ),
        f"{tower}.mlp": Role(block=layer + "mlp", linears=layer + r"mlp\.fc[12]"),
    }


class Clip(ModelFamily):
    """CLIP, both encoders or the vision encoder alone. The final projections have no role."""

    model_types = ("clip", "clip_vision_model")
    roles: ClassVar = {
        **make_encoder_roles("text", r"text_model\."),
        **make_encoder_roles("vision", r"(vision_model\.)?"),
    }
    towers: ClassVar = {"vision": r"(?!text_).*"}

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        return assign_one_row_per_sample(inputs)
