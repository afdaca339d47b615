"""Tiny Qwen2-VL, Qwen2.5-VL, Qwen3-VL and its mixture."""

from typing import Any

from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)

from tests.tinies.base import TEXT, HubFiles, Tiny, tokenizer, with_files

MARKERS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
MIXTURE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
           "decoder_sparse_step": 1, "mlp_only_layers": [0]}  # fmt: skip
ROTARY = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}


def files(kind: str, words: PreTrainedTokenizerFast, patch: int) -> HubFiles:
    """Pictures keep their size if both edges are 2 or 4 patches."""
    pixels = {"shortest_edge": (2 * patch) ** 2, "longest_edge": (4 * patch) ** 2}
    images = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": patch,
              "merge_size": 2, "temporal_patch_size": 2, "size": pixels}  # fmt: skip
    return HubFiles(kind, words, images, IMAGE)


def sizes(patch: int) -> list[tuple[int, int]]:
    """Pictures of 8, 16 and 4 patches."""
    return [(2 * patch, 4 * patch), (4 * patch, 4 * patch), (2 * patch, 2 * patch)]


def token_ids(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The placeholders by the names the configurations have for them."""
    return {name: words.convert_tokens_to_ids(marker) for name, marker in MARKERS.items()}


def qwen2_vl() -> Tiny:
    words = tokenizer(*MARKERS.values())
    config = Qwen2VLConfig(
        text_config={"vocab_size": len(words), "rope_parameters": ROTARY, **TEXT},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        **token_ids(words),
    )
    return with_files(
        Qwen2VLForConditionalGeneration, config, files("Qwen2VLProcessor", words, 14), sizes(14)
    )


def qwen2_5_vl() -> Tiny:
    """The first layer sees windows of 2 x 2 patches, so windows are really sorted."""
    words = tokenizer(*MARKERS.values())
    config = Qwen2_5_VLConfig(
        text_config={"vocab_size": len(words), "rope_parameters": ROTARY, **TEXT},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 14,
            "window_size": 28,
            "fullatt_block_indexes": [1],
        },
        **token_ids(words),
    )
    return with_files(
        Qwen2_5_VLForConditionalGeneration,
        config,
        files("Qwen2_5_VLProcessor", words, 14),
        sizes(14),
    )


def qwen3_options(words: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    """What both configurations of Qwen3-VL are given, with one deepstack merger."""
    return {
        "text_config": {
            "vocab_size": len(words),
            "head_dim": 8,
            "rope_parameters": {**ROTARY, "mrope_interleaved": True},
            **TEXT,
            **more,
        },
        "vision_config": {
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **token_ids(words),
    }


def qwen3_vl() -> Tiny:
    words = tokenizer(*MARKERS.values())
    config = Qwen3VLConfig(**qwen3_options(words))
    made = files("Qwen3VLProcessor", words, 16)
    return with_files(Qwen3VLForConditionalGeneration, config, made, sizes(16))


def qwen3_vl_moe() -> Tiny:
    """One dense layer and one mixture."""
    words = tokenizer(*MARKERS.values())
    config = Qwen3VLMoeConfig(**qwen3_options(words, **MIXTURE))
    made = files("Qwen3VLProcessor", words, 16)
    return with_files(Qwen3VLMoeForConditionalGeneration, config, made, sizes(16))
