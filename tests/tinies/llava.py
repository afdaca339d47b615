"""Tiny LLaVA, LLaVA-NeXT and LLaVA-OneVision."""

from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from tests.tinies.base import TEXT, VISION, HubFiles, Tiny, tokenizer, with_files


def llava_files(words: PreTrainedTokenizerFast) -> HubFiles:
    """Pictures of 28 x 28 pixels, 16 patches."""
    images = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 28},
              "crop_size": {"height": 28, "width": 28}}  # fmt: skip
    settings = {"patch_size": 7, "vision_feature_select_strategy": "default",
                "num_additional_image_tokens": 1}  # fmt: skip
    return HubFiles("LlavaProcessor", words, images, "<image>", settings)


def llava() -> Tiny:
    """CLIP and Llama. The last vision layer is used, so that every layer has a gradient."""
    words = tokenizer("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    sizes = [(28, 28), (28, 56), (40, 28)]
    return with_files(LlavaForConditionalGeneration, config, llava_files(words), sizes)


def llava_onevision() -> Tiny:
    """SigLIP and Qwen2; the first sample's picture is cut into two tiles and the whole."""
    words = tokenizer("<image>", "<video>")
    pinpoints = [[28, 28], [28, 56]]
    images = {"image_processor_type": "LlavaOnevisionImageProcessor",
              "size": {"height": 28, "width": 28}, "image_grid_pinpoints": pinpoints}  # fmt: skip
    settings = {"num_image_tokens": 16, "vision_feature_select_strategy": "full"}
    files = HubFiles("LlavaOnevisionProcessor", words, images, "<image>", settings)
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(vision_use_head=False, **VISION),
        text_config=Qwen2Config(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
    )
    sizes = [(28, 56), (28, 28), (28, 56)]
    return with_files(LlavaOnevisionForConditionalGeneration, config, files, sizes)


def llava_next() -> Tiny:
    """CLIP and Llama; every picture is cut into tiles, with the whole added."""
    words = tokenizer("<image>")
    pinpoints = [[28, 28], [28, 56], [56, 28]]
    images = {"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": pinpoints,
              "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}  # fmt: skip
    settings = {"patch_size": 7, "vision_feature_select_strategy": "default",
                "num_additional_image_tokens": 1}  # fmt: skip
    files = HubFiles("LlavaNextProcessor", words, images, "<image>", settings)
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    sizes = [(28, 56), (28, 28), (50, 28)]
    return with_files(LlavaNextForConditionalGeneration, config, files, sizes)
