"""Tiny InternVL."""

from typing import Any

from transformers import (
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    Qwen2Config,
)

from tests.tinies.base import TEXT, VISION, Tiny, seeded, tokenizer, with_pictures

MARKERS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}


class NoVideo(InternVLProcessor):
    """The processor without its video half, which needs torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


def internvl() -> Tiny:
    """InternViT and Qwen2; wide pictures are cut into two tiles, with the whole added."""
    words = tokenizer(*MARKERS.values(), names=MARKERS)
    scaler = GotOcr2ImageProcessorPil(
        size={"height": 28, "width": 28}, crop_to_patches=True, min_patches=1, max_patches=2
    )
    processor = NoVideo(scaler, words, image_seq_length=4)
    config = InternVLConfig(
        vision_config={**VISION, "image_size": [28, 28], "patch_size": [7, 7]},
        text_config=Qwen2Config(vocab_size=len(words), **TEXT),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    batch = with_pictures(processor, "<IMG_CONTEXT>\n", [(28, 56), (28, 28), (28, 56)])
    return Tiny(seeded(lambda: InternVLForConditionalGeneration(config)), batch)
