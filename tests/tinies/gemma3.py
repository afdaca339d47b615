"""Tiny Gemma 3 with images."""

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    SiglipVisionConfig,
)

from tests.tinies.base import TEXT, VISION, Tiny, seeded, tokenizer, with_pictures

MARKERS = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}


def gemma3() -> Tiny:
    """SigLIP and Gemma 3, four tokens an image."""
    words = tokenizer(*MARKERS.values(), names=MARKERS)
    scaler = Gemma3ImageProcessorPil(size={"height": 28, "width": 28}, do_pan_and_scan=False)
    processor = Gemma3Processor(scaler, words, image_seq_length=4)
    config = Gemma3Config(
        text_config={"vocab_size": len(words), "head_dim": 8, "sliding_window": 64, **TEXT},
        vision_config=SiglipVisionConfig(vision_use_head=False, **VISION),
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
    )
    batch = with_pictures(processor, "<start_of_image>", [(28, 28), (28, 56), (40, 28)])
    return Tiny(seeded(lambda: seeing(Gemma3ForConditionalGeneration(config))), batch)


def seeing(model: Gemma3ForConditionalGeneration) -> Gemma3ForConditionalGeneration:
    """The model with a random projection, which is 0 at first and would hide every picture."""
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    return model
