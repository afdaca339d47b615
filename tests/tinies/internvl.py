"""Tiny InternVL."""

from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    Qwen2Config,
)

from tests.tinies.base import TEXT, VISION, HubFiles, Tiny, tokenizer, with_files

MARKERS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}


def internvl() -> Tiny:
    """InternViT and Qwen2; wide pictures are cut into two tiles, with the whole added."""
    words = tokenizer(*MARKERS.values(), names=MARKERS)
    images = {"image_processor_type": "GotOcr2ImageProcessor", "size": {"height": 28, "width": 28},
              "crop_to_patches": True, "min_patches": 1, "max_patches": 2}  # fmt: skip
    mark, settings = "<IMG_CONTEXT>", {"image_seq_length": 4}
    files = HubFiles("InternVLProcessor", words, images, mark, settings)
    config = InternVLConfig(
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [7, 7]},
        text_config=Qwen2Config(vocab_size=len(words), **TEXT),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    sizes = [(28, 56), (28, 28), (28, 56)]
    return with_files(InternVLForConditionalGeneration, config, files, sizes)
