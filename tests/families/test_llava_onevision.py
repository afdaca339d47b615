"""Names of LLaVA-OneVision, and its rows, which are tiles."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from coterie.families.llava_onevision import LlavaOnevision
from tests.families.checks import check_names, check_rows, golden
from tests.tiny import TINY, Tiny

LAYER = "model.language_model.layers.{}."
VISION = "model.vision_tower.encoder.layers.{}."
GOLDEN = {
    "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden(LAYER + "mlp", "gate_proj", "up_proj", "down_proj"),
    "vision.attn": golden(VISION + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    "vision.mlp": golden(VISION + "mlp", "fc1", "fc2"),
    "connector": golden("model.multi_modal_projector", "linear_1", "linear_2", count=1),
}
IMAGE, VIDEO = 7, 8


class Config:
    """What the host reads of a configuration; an image of 28 by 56 has 2 tiles and the whole."""

    class vision_config:
        image_size = 28

    image_token_id = IMAGE
    video_token_id = VIDEO
    image_grid_pinpoints: ClassVar = [[28, 28], [28, 56]]


@pytest.fixture
def tiny() -> Tiny:
    return TINY["llava_onevision"]()


def inputs(*sizes: tuple[int, int], **others: Tensor) -> dict[str, Tensor]:
    """Three samples: one image, none, two with text between."""
    ids = [[1, IMAGE, IMAGE, 1, 1], [1, 1, 1, 1, 1], [IMAGE, 1, IMAGE, IMAGE, 1]]
    return {
        "input_ids": torch.tensor(ids),
        "pixel_values": torch.zeros(len(sizes), 3, 3, 28, 28),
        "image_sizes": torch.tensor(sizes),
        **others,
    }


WIDE, SQUARE = (28, 56), (28, 28)


def test_names(tiny: Tiny) -> None:
    check_names(tiny.model, GOLDEN, {"lm_head"})


def test_rows(tiny: Tiny) -> None:
    names = ["model.vision_tower.encoder.layers.0.self_attn", "model.multi_modal_projector"]
    check_rows(tiny, names, [slice(0, 1), slice(1, 3)])


def test_towers() -> None:
    host = LlavaOnevision()
    assert host.get_tower("model.vision_tower.post_layernorm") == "vision"
    assert host.get_tower("multi_modal_projector") == "connector"
    assert host.get_tower("model.language_model.norm") == "text"


def test_given_counts_leave_out_samples_without_images() -> None:
    # Alone: 2 tiles and the whole. In company: the whole only.
    batch = inputs(WIDE, WIDE, SQUARE, batch_num_images=torch.tensor([1, 2]))
    assert LlavaOnevision().count_rows_per_sample("vision", batch, Config).tolist() == [3, 0, 2]


def test_runs_of_tokens_stand_in_for_counts() -> None:
    # Without counts the model cuts every image: 3, then 3 and 2.
    batch = inputs(WIDE, WIDE, SQUARE)
    assert LlavaOnevision().count_rows_per_sample("vision", batch, Config).tolist() == [3, 0, 5]


def test_videos_are_counted_by_their_tokens() -> None:
    batch = {
        "input_ids": torch.tensor([[VIDEO, VIDEO, 1], [1, VIDEO, 1]]),
        "pixel_values_videos": torch.zeros(2, 2, 3, 28, 28),
    }
    assert LlavaOnevision().count_rows_per_sample("vision", batch, Config).tolist() == [2, 1]


@pytest.mark.parametrize(
    "batch",
    [
        inputs(WIDE, WIDE, SQUARE, SQUARE),
        inputs(WIDE, WIDE, SQUARE, batch_num_images=torch.tensor([1])),
        inputs(WIDE, WIDE, SQUARE, batch_num_images=torch.tensor([2, 2])),
    ],
)
def test_unclear_counts_are_refused(batch: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="pass batch_num_images"):
        LlavaOnevision().count_rows_per_sample("vision", batch, Config)


def test_images_and_videos_together_are_refused() -> None:
    batch = inputs(WIDE, WIDE, SQUARE, pixel_values_videos=torch.zeros(1, 2, 3, 28, 28))
    with pytest.raises(ValueError, match="separate batches"):
        LlavaOnevision().count_rows_per_sample("vision", batch, Config)


def test_placeholders(tiny: Tiny) -> None:
    config = tiny.model.config
    expected = {"image": config.image_token_index, "video": config.video_token_index}
    assert LlavaOnevision().get_placeholder_ids(config) == expected
