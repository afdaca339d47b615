"""Limits of images: what each kind of processor makes of a large one."""

import pytest
from PIL import Image
from transformers import (
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
)

from coterie.models.image_limit import get_max_pixels, set_max_pixels
from coterie.models.processors import MissingVideoProcessor, make_processor_without_videos
from tests.tinies.base import tokenizer
from tests.tinies.idefics3 import MARKERS


def test_text_models_have_no_images() -> None:
    words = tokenizer()
    set_max_pixels(words, None)
    assert get_max_pixels(words) is None
    with pytest.raises(ValueError, match="max_pixels=9 limits images, and this model reads text"):
        set_max_pixels(words, 9)


def test_qwen_counts_pixels_after_rounding() -> None:
    images = Qwen2VLImageProcessorPil(
        patch_size=2, merge_size=2, size={"shortest_edge": 16, "longest_edge": 400}
    )
    words = tokenizer("<|image_pad|>", "<|video_pad|>")
    parts = {"image_processor": images, "tokenizer": words}
    processor = make_processor_without_videos(
        Qwen2VLProcessor,
        [parts.get(name, MissingVideoProcessor()) for name in Qwen2VLProcessor.get_attributes()],
        {},
    )
    # 22 * 18 = 396 pixels: edges of multiples of 4 that are nearest are 24 * 16 = 384
    image = Image.new("RGB", (22, 18))
    before = images(images=[image], return_tensors="pt")["image_grid_thw"]
    assert before.prod() * 4 <= 400
    set_max_pixels(processor, 100)
    assert get_max_pixels(processor) == 100
    grid = images(images=[image], return_tensors="pt")["image_grid_thw"]
    assert grid.tolist() == [[1, 4, 4]]  # 8 * 8 = 64 pixels; 12 * 8 = 96 is not nearer
    assert dict(images.size) == {"shortest_edge": 16, "longest_edge": 100}
    set_max_pixels(processor, 9)  # below the processor's least: it does not enlarge to it
    assert dict(images.size) == {"shortest_edge": 9, "longest_edge": 9}


def test_idefics_does_not_enlarge_to_more_tiles() -> None:
    tile = {"longest_edge": 14}
    images = Idefics3ImageProcessorPil(size={"longest_edge": 56}, max_image_size=tile)
    processor = Idefics3Processor(images, tokenizer(*MARKERS), image_seq_len=4)
    image = Image.new("RGB", (20, 20))
    # 56 / 14 = 4 tiles an edge, and the whole
    assert images(images=[[image]], return_tensors="pt")["pixel_values"].shape[1] == 17
    set_max_pixels(processor, 1000)  # 31 pixels an edge: 2 tiles of 14
    assert images(images=[[image]], return_tensors="pt")["pixel_values"].shape[1] == 5
    set_max_pixels(processor, 1)
    assert images.size["longest_edge"] == 14  # a tile at least
