"""Features of a layer, for losses that read them: two experts of rank 2 and fixed weights."""

import torch
from torch import Tensor

from coterie.routing.features import LayerFeatures

MODALITIES = ("text", "image")


def features(
    x: Tensor, sample: Tensor, modality: Tensor, valid: Tensor | None = None
) -> LayerFeatures:
    """Of inputs [tokens, 4]."""
    down, up = torch.arange(16).view(4, 4).sin(), torch.arange(12).view(4, 3).cos()
    return LayerFeatures(
        x=x, sample=sample, modality=modality, valid=valid, down=down, up=up, ranks=(2, 2)
    )
