"""Names of LLaVA-NeXT, and its rows, which are tiles."""

from typing import ClassVar

import torch

from coterie.families.llava_next import LlavaNext
from tests.families.checks import check_names, check_rows
from tests.families.test_llava import GOLDEN
from tests.tiny import TINY

IMAGE = 7


class Config:
    """What the family reads of a configuration: tiles of 28 pixels, in patches of 7."""

    class vision_config:
        image_size, patch_size = 28, 7

    image_token_id = IMAGE
    image_grid_pinpoints: ClassVar = [[28, 28], [28, 56], [56, 56]]


def test_names() -> None:
    check_names(TINY["llava_next"]().model, GOLDEN, {"lm_head"})


def test_rows() -> None:
    names = ["model.vision_tower.encoder.layers.0.self_attn", "model.multi_modal_projector"]
    check_rows(TINY["llava_next"](), names, [slice(0, 1), slice(1, 3)])


def test_images_that_touch_are_told_apart_by_their_sizes() -> None:
    # 28 x 56: 2 tiles and the whole; 16 tokens, and 4 rows of 8 and a newline: 52. 28 x 28: 1 and
    # the whole; 16 and 4 rows of 4 and a newline: 36. 56 x 56: 4 and the whole; 16 + 8 * 9: 88.
    sizes, tokens = [(28, 56), (28, 28), (56, 56)], (52, 36, 88)
    for counts, rows in (((1, 2), [3, 7]), ((2, 1), [5, 5]), ((0, 3), [0, 10]), ((3, 0), [10, 0])):
        first = sum(tokens[: counts[0]])
        ids = torch.zeros(2, 200, dtype=torch.int64)
        ids[0, :first], ids[1, : sum(tokens) - first] = IMAGE, IMAGE
        batch = {"input_ids": ids, "image_sizes": torch.tensor(sizes)}
        assert LlavaNext().count_rows_per_sample("vision", batch, Config).tolist() == rows


def test_towers() -> None:
    assert LlavaNext().get_tower("model.image_newline") == "text"
    assert LlavaNext().get_tower("model.vision_tower.post_layernorm") == "vision"
