"""What the configuration refuses, and which rows belong to which task."""

import pytest
import torch
from transformers import SwinConfig

from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from tests.tasks.dense.tiny import BACKBONES, TASKS


def test_a_hierarchical_backbone_doubles_width_and_patch_at_each_stage() -> None:
    # Three stages from 8 on: 8, 16, 32; patches of 2 are merged twice.
    backbone = SwinConfig(embed_dim=8, depths=[1, 1, 1], num_heads=[1, 1, 1], patch_size=2)
    config = MultiTaskVisionConfig(backbone_config=backbone, tasks=TASKS)
    assert (config.get_block_widths(), config.backbone_width) == ([8, 16, 32], 32)
    assert config.patch_size == 8


def test_rows_are_sorted_by_task() -> None:
    config = MultiTaskVisionConfig(tasks=TASKS)
    images = torch.zeros(2, 3, 4, 4)
    assert config.get_task_of_rows(None, images).tolist() == [0, 0, 1, 1, 2, 2]
    assert config.get_task_of_rows(("scene", "depth"), images).tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"head": "cubic"}, "head='cubic': allowed are linear, convolutions"),
        ({"shared_layers": 2}, "shared_layers=2: the backbone has 2 blocks"),
        ({"tasks": [*TASKS, TASKS[0]]}, "give each a name of its own"),
    ],
)
def test_choices_that_cannot_be(choices: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiTaskVisionConfig(**({"backbone_config": BACKBONES["vit"](), "tasks": TASKS} | choices))
