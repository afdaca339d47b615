"""Tiny Idefics3 and SmolVLM."""

from typing import Any

from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from tests.tinies.base import PAD, TEXT, VISION, HubFiles, Tiny, tokenizer, with_files

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


def files(name: str) -> HubFiles:
    """Pictures are cut into tiles, with the whole added."""
    images = {"image_processor_type": f"{name}ImageProcessor", **EDGES}
    settings = {"image_seq_len": IMAGE_TOKENS}
    return HubFiles(f"{name}Processor", tokenizer(*MARKERS), images, "<image>", settings)


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
    """SigLIP and Llama."""
    found = files("Idefics3")
    image = found.words.convert_tokens_to_ids("<image>")
    config = Idefics3Config(**settings(len(found.words), image))
    return with_files(Idefics3ForConditionalGeneration, config, found, SIZES)


def smolvlm() -> Tiny:
    """As Idefics3."""
    found = files("SmolVLM")
    image = found.words.convert_tokens_to_ids("<image>")
    config = SmolVLMConfig(**settings(len(found.words), image))
    return with_files(SmolVLMForConditionalGeneration, config, found, SIZES)
