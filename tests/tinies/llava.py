"""Tiny LLaVA and LLaVA-OneVision."""

from typing import Any

from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    Qwen2Config,
    SiglipVisionConfig,
)

from tests.tinies.base import TEXT, VISION, Tiny, seeded, tokenizer, with_pictures


class NoVideo(LlavaOnevisionProcessor):
    """The processor without its video half, which needs torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


def llava() -> Tiny:
    """CLIP and Llama. The last vision layer is used, so that every layer has a gradient."""
    words = tokenizer("<image>")
    scaler = CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    processor = LlavaProcessor(
        scaler,
        words,
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    batch = with_pictures(processor, "<image>", [(28, 28), (28, 56), (40, 28)])
    return Tiny(seeded(lambda: LlavaForConditionalGeneration(config)), batch)


def llava_onevision() -> Tiny:
    """SigLIP and Qwen2; the first sample's picture is cut into two tiles and the whole."""
    words = tokenizer("<image>", "<video>")
    pinpoints = [[28, 28], [28, 56]]
    scaler = LlavaOnevisionImageProcessorPil(
        size={"height": 28, "width": 28}, image_grid_pinpoints=pinpoints
    )
    processor = NoVideo(scaler, words, num_image_tokens=16, vision_feature_select_strategy="full")
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(vision_use_head=False, **VISION),
        text_config=Qwen2Config(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    batch = with_pictures(processor, "<image>", [(28, 56), (28, 28), (28, 56)])
    return Tiny(seeded(lambda: LlavaOnevisionForConditionalGeneration(config)), batch)
