"""Tiny backbones, one a family, and tasks for them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    Dinov2Config,
    DINOv3ViTConfig,
    PretrainedConfig,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
)

from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from tests.tinies.base import VISION

TASKS = (
    {"name": "depth", "channels": 1, "whole_picture": False},
    {"name": "normal", "channels": 3, "whole_picture": False},
    {"name": "scene", "channels": 5, "whole_picture": True},
)
SENSORS = ({"name": "image", "channels": 3}, {"name": "depth", "channels": 1})
BACKBONES: Mapping[str, Callable[[], PretrainedConfig]] = {
    "vit": lambda: ViTConfig(**VISION),
    "dinov2": lambda: Dinov2Config(mlp_ratio=2, **VISION),
    "dinov3": lambda: DINOv3ViTConfig(**VISION),
    "siglip": lambda: SiglipVisionConfig(**VISION),
    "clip": lambda: CLIPVisionConfig(**VISION),
    "swin": lambda: SwinConfig(
        image_size=28, patch_size=7, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=2
    ),
}


def model(family: str = "vit", **choices: Any) -> MultiTaskVisionModel:
    """A multi-task model with weights of its own, whose tasks differ from the start."""
    torch.manual_seed(0)
    config = MultiTaskVisionConfig(
        backbone_config=BACKBONES[family](), **({"tasks": TASKS, "embedding_std": 1.0} | choices)
    )
    return MultiTaskVisionModel(config).eval()


def pictures() -> torch.Tensor:
    """Two pictures of 28 x 28."""
    return torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))


def sensor_maps(*missing: int) -> torch.Tensor:
    """`pictures` with a map of depth, which these of the two lack; one pixel is unknown."""
    depth = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    depth[:, :, 0, 0] = torch.nan
    depth[list(missing)] = torch.nan
    return torch.cat([pictures(), depth], 1)
