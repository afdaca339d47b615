"""SigLIP and SigLIP 2: CLIP's layout, with a pooling head of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from coterie.families.base import ModelFamily, assign_one_row_per_sample
from coterie.families.clip import make_encoder_roles


class Siglip(ModelFamily):
    """SigLIP and SigLIP 2, whole or their vision encoder alone.

    No role: the pooling head (its attention keeps one packed weight, no linear layers), the
    classifier, and the linear patch embedding of SigLIP 2.
    """

    model_types = ("siglip", "siglip2", "siglip2_vision_model", "siglip_vision_model")
    roles: ClassVar = {
        **make_encoder_roles("text", r"text_model\."),
        **make_encoder_roles("vision", r"(vision_model\.)?"),
    }
    towers: ClassVar = {"vision": r"(?!text_).*"}

    def count_rows_per_sample(
        self, tower: str, inputs: Mapping[str, Any], config: Any
    ) -> Float[Tensor, " batch"]:
        return assign_one_row_per_sample(inputs)
