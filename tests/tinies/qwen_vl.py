"""Tiny Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

from typing import Any

from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)

from tests.tinies.base import TEXT, Tiny, seeded, tokenizer, with_pictures

MARKERS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
ROTARY = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}


class NoVideo2(Qwen2VLProcessor):
    """The processor without its video half, which needs torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


class NoVideo25(Qwen2_5_VLProcessor):
    """The same for Qwen2.5-VL."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


class NoVideo3(Qwen3VLProcessor):
    """The same for Qwen3-VL."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


def scaler(patch: int) -> Qwen2VLImageProcessorPil:
    """Pictures keep their size if both edges are 2 or 4 patches."""
    return Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        size={"shortest_edge": (2 * patch) ** 2, "longest_edge": (4 * patch) ** 2},
    )


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
    batch = with_pictures(NoVideo2(scaler(14), words), IMAGE, sizes(14))
    return Tiny(seeded(lambda: Qwen2VLForConditionalGeneration(config)), batch)


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
    batch = with_pictures(NoVideo25(scaler(14), words), IMAGE, sizes(14))
    return Tiny(seeded(lambda: Qwen2_5_VLForConditionalGeneration(config)), batch)


def qwen3_vl() -> Tiny:
    """With one deepstack merger."""
    words = tokenizer(*MARKERS.values())
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(words),
            "head_dim": 8,
            "rope_parameters": {**ROTARY, "mrope_interleaved": True},
            **TEXT,
        },
        vision_config={
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
    )
    batch = with_pictures(NoVideo3(scaler(16), words), IMAGE, sizes(16))
    return Tiny(seeded(lambda: Qwen3VLForConditionalGeneration(config)), batch)
