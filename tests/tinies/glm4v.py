"""Tiny GLM-4.1V and GLM-4.5V."""

from typing import Any

from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vMoeConfig,
    Glm4vMoeForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from tests.tinies.base import TEXT, HubFiles, Tiny, tokenizer, with_files
from tests.tinies.qwen_vl import sizes

MARKERS = {
    "image_token_id": "<|image|>",
    "video_token_id": "<|video|>",
    "image_start_token_id": "<|begin_of_image|>",
    "image_end_token_id": "<|end_of_image|>",
    "video_start_token_id": "<|begin_of_video|>",
    "video_end_token_id": "<|end_of_video|>",
}
ROTARY = {"rope_type": "default", "mrope_section": [1, 1, 0], "rope_theta": 10000.0,
          "partial_rotary_factor": 0.5}  # fmt: skip
VISION = {
    "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
    "out_hidden_size": 32, "patch_size": 14, "image_size": 56,
}  # fmt: skip
MIXTURE = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
    "n_shared_experts": 1, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip


def files(words: PreTrainedTokenizerFast) -> HubFiles:
    """Pictures keep their size if both edges are 2 or 4 patches."""
    pixels = {"shortest_edge": 2 * 28**2, "longest_edge": 2 * 56**2}  # of two frames
    images = {"image_processor_type": "Glm4vImageProcessor", "patch_size": 14, "merge_size": 2,
              "temporal_patch_size": 2, "size": pixels}  # fmt: skip
    mark = "<|begin_of_image|><|image|><|end_of_image|>"
    return HubFiles("Glm4vProcessor", words, images, mark)


def options(words: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    """What both configurations are given."""
    text = {"vocab_size": len(words), "rope_parameters": ROTARY, **TEXT, **more}
    ids = {name: words.convert_tokens_to_ids(marker) for name, marker in MARKERS.items()}
    return {"text_config": text, "vision_config": VISION, **ids}


def glm4v() -> Tiny:
    words = tokenizer(*MARKERS.values())
    config = Glm4vConfig(**options(words))
    return with_files(Glm4vForConditionalGeneration, config, files(words), sizes(14))


def glm4v_moe() -> Tiny:
    """One dense layer and one mixture with a shared expert."""
    words = tokenizer(*MARKERS.values())
    config = Glm4vMoeConfig(**options(words, head_dim=8, **MIXTURE))
    return with_files(Glm4vMoeForConditionalGeneration, config, files(words), sizes(14))
