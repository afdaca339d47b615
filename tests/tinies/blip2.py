"""Tiny BLIP-2, with OPT, and InstructBLIP, with Llama."""

from typing import Any

from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)

from tests.tinies.base import (
    PROMPTS,
    TEXT,
    VISION,
    HubFiles,
    Tiny,
    pictures,
    seeded,
    texts,
    tokenizer,
    with_labels,
)

QUERIES = 4
SEEN = {**VISION, "initializer_range": 0.02}
"""By default it is 1e-10, and pictures leave no trace."""
SIZES = [(28, 28), (28, 56), (40, 28)]
IMAGES = {"image_processor_type": "BlipImageProcessor", "size": {"height": 28, "width": 28}}


def queries(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What both configurations of a Q-Former are given, without dropout."""
    return {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip


def blip_2() -> Tiny:
    """A ViT, a Q-Former whose first layer sees the image, and OPT."""
    words = tokenizer("<image>")
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**SEEN),
        qformer_config=Blip2QFormerConfig(**queries(words)),
        text_config=OPTConfig(
            vocab_size=len(words), ffn_dim=64, word_embed_proj_dim=32, dropout=0.0, **TEXT
        ),
        num_query_tokens=QUERIES,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    settings = {"num_query_tokens": QUERIES}
    files = HubFiles("Blip2Processor", words, IMAGES, "", settings)
    return with_queries(Blip2ForConditionalGeneration, config, files)


def instructblip() -> Tiny:
    """A ViT, a Q-Former that also reads the prompt, and Llama."""
    words = tokenizer("<image>")
    config = InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(**SEEN),
        qformer_config=InstructBlipQFormerConfig(**queries(words)),
        text_config=LlamaConfig(vocab_size=len(words), **TEXT),
        num_query_tokens=QUERIES,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    # The Q-Former's tokenizer is in a folder of its own.
    files = HubFiles(
        "InstructBlipProcessor", words, IMAGES, "", {"num_query_tokens": QUERIES},
        {"qformer_tokenizer": tokenizer("<image>")},
    )  # fmt: skip
    return with_queries(InstructBlipForConditionalGeneration, config, files, reads_prompt=True)


def with_queries(kind: Any, config: Any, files: HubFiles, reads_prompt: bool = False) -> Tiny:
    """The model, and both samples with one image and two.

    Their processors put one image into each text, so that the tokens are written here.
    """
    processor = files.load(config)

    def prepare(samples: slice) -> dict[str, Tensor]:
        first, *others = pictures(*SIZES)
        images = [each for group in [[first], others][samples] for each in group]
        options = {"padding": True, "return_tensors": "pt", "return_token_type_ids": False}
        batch = dict(files.words(texts("<image>" * QUERIES)[samples], **options))
        batch |= processor.image_processor(images, return_tensors="pt")
        if reads_prompt:  # a row for each image
            prompts = [PROMPTS[0], PROMPTS[1], PROMPTS[1]][slice(samples.start, samples.stop + 1)]
            asked = files.words(
                prompts[: len(images)] if samples.start == 0 else prompts, **options
            )
            batch |= {f"qformer_{name}": value for name, value in asked.items()}
        return with_labels(batch)

    together, *alone = (prepare(slice(*ends)) for ends in ((0, 2), (0, 1), (1, 2)))
    return Tiny(seeded(lambda: kind(config)), together, files, alone)
