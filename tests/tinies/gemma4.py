"""Tiny Gemma 4 with images."""

from typing import Any

from transformers import Gemma4Config, Gemma4ForConditionalGeneration

from tests.tinies.base import TEXT, HubFiles, Tiny, tokenizer, with_files

MARKERS = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}


def gemma4() -> Tiny:
    """At most 70 tokens an image, the fewest that its processor takes; no audio tower."""
    words = tokenizer(*MARKERS.values(), "<|video|>", names=MARKERS)
    images = {"image_processor_type": "Gemma4ImageProcessor", "max_soft_tokens": 70}
    settings = {"feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"}}
    files = HubFiles("Gemma4Processor", words, images, "<|image|>", settings)
    ids = {
        f"{name.removesuffix('_token')}_token_id": words.convert_tokens_to_ids(marker)
        for name, marker in MARKERS.items()
        if name != "eoa_token"
    }
    text: dict[str, Any] = {
        "vocab_size": len(words), "vocab_size_per_layer_input": len(words), "head_dim": 8,
        "global_head_dim": 8, "hidden_size_per_layer_input": 8, "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"], **TEXT,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8,
        "position_embedding_size": 64,
    }  # fmt: skip
    config = Gemma4Config(
        text_config=text,
        vision_config=vision,
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
        **ids,
    )
    sizes = [(28, 56), (28, 28), (112, 28)]
    return with_files(Gemma4ForConditionalGeneration, config, files, sizes)
