"""Tiny Gemma 3 with images."""

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    SiglipVisionConfig,
)

from tests.tinies.base import TEXT, VISION, HubFiles, Tiny, tokenizer, with_files

MARKERS = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}


def gemma3_files() -> HubFiles:
    """Four tokens an image."""
    words = tokenizer(*MARKERS.values(), names=MARKERS)
    images = {"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": False,
              "size": {"height": 28, "width": 28}}  # fmt: skip
    settings = {"image_seq_length": 4}
    return HubFiles("Gemma3Processor", words, images, "<start_of_image>", settings)


def gemma3() -> Tiny:
    """SigLIP and Gemma 3, four tokens an image."""
    files = gemma3_files()
    words = files.words
    config = Gemma3Config(
        text_config={"vocab_size": len(words), "head_dim": 8, "sliding_window": 64, **TEXT},
        vision_config=SiglipVisionConfig(vision_use_head=False, **VISION),
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )

    def make(config: Gemma3Config) -> Gemma3ForConditionalGeneration:
        return seeing(Gemma3ForConditionalGeneration(config))

    return with_files(make, config, files, [(28, 28), (28, 56), (40, 28)])


def seeing(model: Gemma3ForConditionalGeneration) -> Gemma3ForConditionalGeneration:
    """The model with a random projection, which is 0 at first and would hide every picture."""
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    return model
