"""Tiny image classifiers."""

import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPForImageClassification,
    ConvNextConfig,
    ConvNextForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    SiglipConfig,
    SiglipForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from tests.tinies.base import BOS, EOS, PAD, VISION, Tiny, seeded

NUM_LABELS = 3
CAPTION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 16,
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}


def images(side: int = 28) -> dict[str, Tensor]:
    """Two images and their classes."""
    noise = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return {"pixel_values": noise, "labels": torch.tensor([0, 2])}


def vit() -> Tiny:
    config = ViTConfig(num_labels=NUM_LABELS, **VISION)
    return Tiny(seeded(lambda: ViTForImageClassification(config)), images())


def dinov2() -> Tiny:
    config = Dinov2Config(num_labels=NUM_LABELS, mlp_ratio=2, **VISION)
    return Tiny(seeded(lambda: Dinov2ForImageClassification(config)), images())


def clip() -> Tiny:
    config = CLIPConfig(
        vision_config=dict(VISION), text_config=CAPTION, projection_dim=16, num_labels=NUM_LABELS
    )
    return Tiny(seeded(lambda: CLIPForImageClassification(config)), images())


def siglip() -> Tiny:
    config = SiglipConfig(vision_config=dict(VISION), text_config=CAPTION, num_labels=NUM_LABELS)
    return Tiny(seeded(lambda: SiglipForImageClassification(config)), images())


def swin() -> Tiny:
    """Two stages; windows of 4 x 4 patches, of which the first stage has four."""
    config = SwinConfig(
        num_labels=NUM_LABELS, image_size=32, patch_size=4, embed_dim=16, depths=[2, 1],
        num_heads=[2, 4], window_size=4, mlp_ratio=2.0, drop_path_rate=0.0,
    )  # fmt: skip
    return Tiny(seeded(lambda: SwinForImageClassification(config)), images(32))


def convnext() -> Tiny:
    config = ConvNextConfig(
        num_labels=NUM_LABELS, image_size=32, hidden_sizes=[8, 16], depths=[1, 2], num_stages=2,
        layer_scale_init_value=1.0,
    )  # fmt: skip
    return Tiny(seeded(lambda: ConvNextForImageClassification(config)), images(32))
