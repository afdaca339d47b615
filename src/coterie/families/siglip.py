"""SigLIP and SigLIP 2: CLIP's layout, with a pooling head of its own."""

from coterie.families.base import ModelFamily
from coterie.families.clip import Clip


class Siglip(ModelFamily):
    """SigLIP and SigLIP 2, both encoders or the vision encoder alone.

    Without a role: the pooling head (its attention has one packed weight, no linear layers), the
    classifier, and the linear patch embedding of SigLIP 2.
    """

    model_types = ("siglip", "siglip2", "siglip2_vision_model", "siglip_vision_model")
    roles = Clip.roles
    towers = Clip.towers
