"""Tiny PaliGemma."""

from transformers import (
    GemmaConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    SiglipVisionConfig,
)

from tests.tinies.base import TEXT, VISION, HubFiles, Tiny, tokenizer, with_files

# Its processor adds tokens for places and segments.
PLACES = 1024 + 128


def paligemma() -> Tiny:
    """SigLIP and Gemma, 16 tokens an image."""
    words = tokenizer("<image>", names={"image_token": "<image>"})
    images = {"image_processor_type": "SiglipImageProcessor", "image_seq_length": 16,
              "size": {"height": 28, "width": 28}}  # fmt: skip
    files = HubFiles("PaliGemmaProcessor", words, images, "<image>")
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(vision_use_head=False, **VISION),
        text_config=GemmaConfig(vocab_size=len(words) + PLACES, head_dim=8, **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    sizes = [(28, 28), (28, 56), (40, 28)]
    tiny = with_files(PaliGemmaForConditionalGeneration, config, files, sizes)
    for batch in (tiny.batch, *tiny.alone):  # answers see what is before them only
        batch["token_type_ids"] = (batch["labels"] != -100).long()
    return tiny
