"""Tiny Mistral 3, and LLaVA with a Pixtral tower."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    PixtralVisionConfig,
    PreTrainedTokenizerFast,
)

from tests.tinies.base import (
    TEXT,
    VISION,
    HubFiles,
    Tiny,
    seeded,
    texts,
    tokenizer,
    with_files,
    with_labels,
)

SIZES = [(28, 56), (56, 56), (28, 28)]
"""In pixels, of patches of 7; the patch merger makes one of 2 x 2."""
MARKERS = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")


def files(words: PreTrainedTokenizerFast, merge: int) -> HubFiles:
    images = {"image_processor_type": "PixtralImageProcessor", "patch_size": 7 * merge,
              "size": {"longest_edge": 56}}  # fmt: skip
    settings = {"patch_size": 7, "spatial_merge_size": merge}
    return HubFiles("PixtralProcessor", words, images, "[IMG]", settings)


def by_hand(words: PreTrainedTokenizerFast, merge: int) -> dict[str, Tensor]:
    """What the processor makes of noise, which needs torchvision."""
    rows = [f"{'[IMG]' * (width // 7 // merge)}[IMG_BREAK]" * (height // 7 // merge)
            for height, width in SIZES]  # fmt: skip
    first, *others = (row.removesuffix("[IMG_BREAK]") + "[IMG_END]" for row in rows)
    marks = (first, "".join(others))
    given = [text.replace("<mark>", mark, 1).replace("<mark>", "")
             for text, mark in zip(texts("<mark>"), marks, strict=True)]  # fmt: skip
    batch = words(given, padding=True, return_tensors="pt", return_token_type_ids=False)
    pixels = torch.zeros(3, 3, 56, 56)
    generator = torch.Generator().manual_seed(0)
    for pixel, (height, width) in zip(pixels, SIZES, strict=True):
        pixel[:, :height, :width] = torch.randn(3, height, width, generator=generator)
    return with_labels({**batch, "pixel_values": pixels, "image_sizes": torch.tensor(SIZES)})


def make(kind: Any, config: Any, words: PreTrainedTokenizerFast, merge: int) -> Tiny:
    if find_spec("torchvision"):
        return with_files(kind, config, files(words, merge), SIZES)
    batch = by_hand(words, merge)
    pixels = ("pixel_values", "image_sizes")
    alone = [
        {name: value[owned] if name in pixels else value[[i]][:, batch["attention_mask"][i] == 1]
         for name, value in batch.items()}
        for i, owned in enumerate((slice(0, 1), slice(1, 3)))
    ]  # fmt: skip
    return Tiny(seeded(lambda: kind(config)), batch, alone=alone)


def mistral3() -> Tiny:
    """Pixtral, a merger of four patches, Mistral."""
    words = tokenizer(*MARKERS)
    config = Mistral3Config(
        vision_config=PixtralVisionConfig(**VISION | {"image_size": 56}),
        text_config=MistralConfig(vocab_size=len(words), head_dim=8, **TEXT),
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
    )
    return make(Mistral3ForConditionalGeneration, config, words, 2)


def llava_pixtral() -> Tiny:
    """Pixtral and Mistral under the name of LLaVA, as mistral-community/pixtral-12b."""
    words = tokenizer(*MARKERS)
    config = LlavaConfig(
        vision_config=PixtralVisionConfig(**VISION | {"image_size": 56}),
        text_config=MistralConfig(vocab_size=len(words), head_dim=8, **TEXT),
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    return make(LlavaForConditionalGeneration, config, words, 1)
