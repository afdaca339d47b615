"""Tiny decoders without images."""

from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

from tests.tinies.base import TEXT, Tiny, seeded, texts, tokenizer, with_labels


def llama() -> Tiny:
    """Padded on the right."""
    words = tokenizer()
    config = LlamaConfig(vocab_size=len(words), **TEXT)
    batch = words(texts(), padding=True, return_tensors="pt", return_token_type_ids=False)
    return Tiny(seeded(lambda: LlamaForCausalLM(config)), with_labels(batch))


def qwen2() -> Tiny:
    """Padded on the left."""
    words = tokenizer(side="left")
    config = Qwen2Config(vocab_size=len(words), **TEXT)
    batch = words(texts(), padding=True, return_tensors="pt", return_token_type_ids=False)
    return Tiny(seeded(lambda: Qwen2ForCausalLM(config)), with_labels(batch))


def qwen2_moe() -> Tiny:
    """One dense layer, and one mixture with a shared expert."""
    words = tokenizer()
    config = Qwen2MoeConfig(
        vocab_size=len(words), num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16,
        shared_expert_intermediate_size=32, mlp_only_layers=[0], **TEXT,
    )  # fmt: skip
    batch = words(texts(), padding=True, return_tensors="pt", return_token_type_ids=False)
    return Tiny(seeded(lambda: Qwen2MoeForCausalLM(config)), with_labels(batch))
