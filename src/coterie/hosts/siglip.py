"""SigLIP and SigLIP 2: CLIP's layout, with a pooling head of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from coterie.hosts.base import Host, one_each
from coterie.hosts.clip import encoder


class Siglip(Host):
    """SigLIP and SigLIP 2, whole or their vision encoder alone.

    No role: the pooling head (its attention keeps one packed weight, no linear layers), the
    classifier, and the linear patch embedding of SigLIP 2.
    """

    model_types = ("siglip", "siglip2", "siglip2_vision_model", "siglip_vision_model")
    roles: ClassVar = {
        **encoder("text", r"text_model\."),
        **encoder("vision", r"(vision_model\.)?"),
    }
    towers: ClassVar = {"vision": r"(?!text_).*"}

    def shares(self, inputs: Mapping[str, Any], config: Any) -> Float[Tensor, " batch"]:
        return one_each(inputs)
