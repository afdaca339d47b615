"""The configuration of the native class that computes what a mixture computes."""

from collections.abc import Mapping
from typing import Any

from transformers import (
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

from coterie.extract.native_mixture import NativeMixture
from coterie.models.quantization import is_quantized

HOSTS = (LlamaConfig, MistralConfig, Qwen2Config)
UNUSED_WIDTH = 128
"""Hidden units of the shared expert that every Qwen2-MoE has, and of which all weights are 0."""


def check_host(base_model: Any, mixtures: Mapping[str, NativeMixture]) -> None:
    """Raise ValueError if the language model is not a decoder that the native classes extend."""
    config = base_model.config.get_text_config()
    if not isinstance(config, HOSTS):
        raise ValueError(
            f"format='native' takes language models of Llama, Mistral and Qwen2, and that of a "
            f"{type(base_model).__name__} is {config.model_type!r}"
        )
    if not type(base_model).__module__.startswith("transformers."):
        raise ValueError(
            f"format='native' takes models of transformers, and {type(base_model).__name__} is "
            f"none: it is of {type(base_model).__module__}"
        )
    if is_quantized(base_model):
        raise ValueError("format='native' needs the base model's weights: load it unquantised")
    if getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        raise ValueError("format='native': the base model has biases that no native class has")
    if len({mixture.settings for mixture in mixtures.values()}) > 1:
        raise ValueError("format='native': all mixtures must have the same experts and router")


def make_config(source: Any, mixtures: Mapping[str, NativeMixture]) -> Any:
    """Return the configuration: Mixtral's where that fits, else Qwen2-MoE's."""
    settings = next(iter(mixtures.values())).settings
    numbers = {int(name.split(".")[-2]) for name in mixtures}
    dense = [number for number in range(source.num_hidden_layers) if number not in numbers]
    has_bias = isinstance(source, Qwen2Config)
    if settings.sums_to_one and not (settings.shared_width or dense or has_bias):
        return copy_config(
            MixtralConfig, source, intermediate_size=settings.width,
            num_local_experts=settings.experts, num_experts_per_tok=settings.active,
            architectures=[MixtralForCausalLM.__name__],
        )  # fmt: skip
    head = getattr(source, "head_dim", None)
    if head not in (None, source.hidden_size // source.num_attention_heads):
        raise ValueError(f"format='native': no class has heads of {head} and this mixture")
    if getattr(source, "sliding_window", None) and not has_bias:
        raise ValueError("format='native': no class has this sliding window and this mixture")
    return copy_config(
        Qwen2MoeConfig, source, moe_intermediate_size=settings.width,
        shared_expert_intermediate_size=settings.shared_width or UNUSED_WIDTH,
        num_experts=settings.experts, num_experts_per_tok=settings.active,
        norm_topk_prob=settings.sums_to_one, mlp_only_layers=dense, qkv_bias=has_bias,
        decoder_sparse_step=1, architectures=[Qwen2MoeForCausalLM.__name__],
    )  # fmt: skip


def copy_config(kind: Any, source: Any, **own: Any) -> Any:
    """Return a configuration of another class with the values that both have."""
    left_out = ("model_type", "transformers_version", "architectures", "dtype")
    known = set(kind().to_dict()) - set(left_out)
    values = {key: value for key, value in source.to_dict().items() if key in known}
    return kind(**values | own)
