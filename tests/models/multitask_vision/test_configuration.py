"""What the configuration refuses, and which rows belong to which task."""

from typing import Any

import pytest
import torch
from transformers import SwinConfig

from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.models.multitask_vision.fusions.channels import ChannelConcatenation
from coterie.models.multitask_vision.fusions.mean import MeanFusion
from coterie.serialization import dump
from tests.tasks.dense.tiny import BACKBONES, SENSORS, TASKS


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
    ("choices", "wanted"),
    [
        ({}, [3]),
        ({"sensors": SENSORS[1:]}, [1]),
        ({"sensors": SENSORS, "fusion": dump(MeanFusion())}, [3, 1]),
        ({"sensors": SENSORS, "fusion": dump(ChannelConcatenation())}, [4]),
    ],
)
def test_channels_of_each_backbone(choices: dict[str, Any], wanted: list[int]) -> None:
    config = MultiTaskVisionConfig(tasks=TASKS, **choices)
    again = MultiTaskVisionConfig(**config.to_dict())
    for each in (config, again):
        groups = map(each.make_backbone_config, each.group_sensors())
        assert [found.to_dict()["num_channels"] for found in groups] == wanted


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"head": "cubic"}, "head='cubic': allowed are linear, convolutions"),
        ({"shared_layers": 2}, "shared_layers=2: the backbone has 2 blocks"),
        ({"tasks": [*TASKS, TASKS[0]]}, "give each a name of its own"),
        ({"sensors": SENSORS}, "fusion=None: the sensors image, depth need one"),
    ],
)
def test_choices_that_cannot_be(choices: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiTaskVisionConfig(**({"backbone_config": BACKBONES["vit"](), "tasks": TASKS} | choices))
