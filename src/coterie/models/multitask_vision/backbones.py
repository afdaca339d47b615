"""The backbones of a multi-task model: built, given the weights of one for RGB images, and fed."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoModel, PretrainedConfig

from coterie.encoding.fusion import IMAGE_SENSOR, Present
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig

Images = Float[Tensor, "batch channels height breadth"]
"""Images, normalised for the backbone; both sides are multiples of its patch size.

Of several sensors, the channels of all, NaN where unknown: a sensor that is NaN throughout is
missing.
"""


def build_backbone(config: MultiTaskVisionConfig, sensors: Sequence[Mapping[str, Any]]) -> Any:
    """Build a backbone that reads some sensors, randomly initialised."""
    backbone = config.make_backbone_config(sensors)
    return AutoModel.from_config(backbone, trust_remote_code=False, **get_pooler_kwargs(backbone))


def get_pooler_kwargs(backbone: PretrainedConfig) -> dict[str, bool]:
    """Return the argument that disables the backbone's pooler, which no head reads, if any."""
    return select_kwargs(MODEL_MAPPING[type(backbone)], add_pooling_layer=False)


def select_kwargs(function: Any, **kwargs: bool) -> dict[str, bool]:
    """Return those of the keyword arguments that a function or class has."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in kwargs.items() if name in known}


def adapt_patch_embedding(
    backbone: nn.Module, sensors: Sequence[Mapping[str, Any]]
) -> dict[str, Tensor]:
    """Return the weights of a backbone of RGB images, for the channels of some sensors.

    A sensor's embedding of a patch is that of the image, or else that of a grey image whose values
    are the mean of the sensor's channels; several sensors have the mean of their embeddings.
    """
    name, convolution = find_patch_embedding(backbone)
    kernels = convolution.weight.detach()
    grey = kernels.sum(1, keepdim=True)
    parts = [
        kernels if each["name"] == IMAGE_SENSOR
        else grey.expand(-1, each["channels"], -1, -1) / each["channels"]
        for each in sensors
    ]  # fmt: skip
    return {**backbone.state_dict(), f"{name}.weight": torch.cat(parts, 1) / len(parts)}


def find_patch_embedding(backbone: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the name and module of the first convolution, which reads the pixels."""
    named = backbone.named_modules()
    return next((name, each) for name, each in named if isinstance(each, nn.Conv2d))


def split_sensors(
    pixel_values: Images, groups: Sequence[Sequence[Mapping[str, Any]]]
) -> tuple[list[Float[Tensor, "batch ..."]], Present | None]:
    """Return each backbone's channels, 0 where unknown, and which images have its sensors.

    `groups` are those of `MultiTaskVisionConfig.group_sensors`. None for the latter without
    sensors: an image is never missing.
    """
    if not groups[0]:
        return [pixel_values], None
    sizes = [sum(each["channels"] for each in group) for group in groups]
    known = ~pixel_values.isnan()
    present = torch.stack([each.flatten(1).any(1) for each in known.split(sizes, 1)])
    return list(pixel_values.nan_to_num(nan=0.0).split(sizes, 1)), present
