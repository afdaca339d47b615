"""Tiny decoders without images."""

from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

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
