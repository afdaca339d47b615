"""Tiny Idefics3 and SmolVLM."""

from typing import Any

from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
    SmolVLMProcessor,
)

from tests.tinies.base import PAD, TEXT, VISION, Tiny, seeded, tokenizer, with_pictures

MARKERS = (
    "<image>",
    "<fake_token_around_image>",
    "<end_of_utterance>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)
# 28 pixels in patches of 7 are 16 patches; the pixel shuffle makes one token of 2 x 2.
IMAGE_TOKENS = 4
EDGES: dict[str, Any] = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 28}}
SIZES = [(56, 56), (28, 56), (56, 28)]


class NoVideo(SmolVLMProcessor):
    """The processor without its video half, which needs torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template, **options)


def settings(vocabulary: int, image: int) -> dict[str, Any]:
    """What both configurations are given."""
    return {
        "vision_config": dict(VISION),
        "text_config": LlamaConfig(vocab_size=vocabulary, **TEXT),
        "image_token_id": image,
        "scale_factor": 2,
        "pad_token_id": PAD,
    }


def idefics3() -> Tiny:
    """Pictures are cut into tiles, with the whole added."""
    words = tokenizer(*MARKERS)
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(**EDGES), words, image_seq_len=IMAGE_TOKENS
    )
    config = Idefics3Config(**settings(len(words), words.convert_tokens_to_ids("<image>")))
    batch = with_pictures(processor, "<image>", SIZES)
    return Tiny(seeded(lambda: Idefics3ForConditionalGeneration(config)), batch)


def smolvlm() -> Tiny:
    """As Idefics3."""
    words = tokenizer(*MARKERS)
    processor = NoVideo(SmolVLMImageProcessorPil(**EDGES), words, image_seq_len=IMAGE_TOKENS)
    config = SmolVLMConfig(**settings(len(words), words.convert_tokens_to_ids("<image>")))
    batch = with_pictures(processor, "<image>", SIZES)
    return Tiny(seeded(lambda: SmolVLMForConditionalGeneration(config)), batch)
