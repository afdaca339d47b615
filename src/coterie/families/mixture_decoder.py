"""Llama-like decoders whose MLPs are mixtures of experts of their own."""

from coterie.families.base import ModelFamily
from coterie.families.llama import make_mixture_roles


class MixtureDecoder(ModelFamily):
    """Mixtral, Qwen2-MoE, Qwen3-MoE and similar decoders."""

    model_types = (
        "mixtral",
        "qwen2_moe",
        "qwen3_moe",
        "olmoe",
        "glm4_moe",
        "ernie4_5_moe",
        "dots1",
    )
    roles = make_mixture_roles(r"(model\.)?")
