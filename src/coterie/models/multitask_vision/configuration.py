"""`MultiTaskVisionConfig`: a vision backbone, its tasks' heads, its shared layers and sensors."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, no_type_check

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from coterie import serialization
from coterie.encoding.fusion import Fusion

HEADS = ("linear", "convolutions")
TaskNames = Sequence[str] | None
"""Names of requested tasks, in any order; None for all."""


@no_type_check  # jaxtyping would reject the extra keyword arguments that transformers passes
class MultiTaskVisionConfig(PreTrainedConfig):
    """The configuration of a `MultiTaskVisionModel`.

    Attributes:
        backbone_config: the backbone's own configuration, or its `to_dict()`.
        tasks: {"name": ..., "channels": ..., "whole_picture": ...} per task, in head order.
        head: "linear", a linear map from a patch's token to its pixels (Mod-Squad's code), or
            "convolutions", 3 x 3 with upsampling between (M3ViT, arXiv:2210.14793).
        task_embedding: whether a task embedding is added to the tokens before every block.
        embedding_std: initial standard deviation of task embeddings. 1 in Mod-Squad's code, which
            trains from scratch; smaller ones disturb pretrained tokens less.
        shared_layers: number of first blocks that all tasks share: they get no task embedding and
            run once for all tasks.
        sensors: {"name": ..., "channels": ...} per sensor, in the order of their channels in
            `pixel_values`; empty for an RGB image alone.
        fusion: the `Fusion` of the sensors, as `coterie.serialization.dump` writes it; None for one
            sensor without.
    """

    model_type = "coterie_multi_task"
    sub_configs_defaults: ClassVar = {
        "backbone_config": SubConfigSpec(config_class=AutoConfig, model_type="vit")
    }

    backbone_config: PreTrainedConfig = cast(PreTrainedConfig, None)  # see the defaults
    tasks: Sequence[Mapping[str, Any]] = ()
    head: str = "linear"
    task_embedding: bool = True
    embedding_std: float = 0.02
    shared_layers: int = 0
    sensors: Sequence[Mapping[str, Any]] = ()
    fusion: Mapping[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.tasks = [dict(task) for task in self.tasks]
        if self.head not in HEADS:
            raise ValueError(f"head={self.head!r}: allowed are {', '.join(HEADS)}")
        count = len(self.get_block_widths())
        if not 0 <= self.shared_layers < count:
            raise ValueError(
                f"shared_layers={self.shared_layers}: the backbone has {count} blocks, and at "
                "least one must be the tasks' own"
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"tasks={self.names}: give each a name of its own")
        self.sensors = [dict(sensor) for sensor in self.sensors]
        if len(self.sensors) > 1 and self.fusion is None:
            names = ", ".join(sensor["name"] for sensor in self.sensors)
            raise ValueError(f"fusion=None: the sensors {names} need one, such as U3MFusion()")

    def parse_fusion(self) -> Fusion | None:
        """Parse `fusion`. Raises ValueError that names the invalid field."""
        return serialization.load(self.fusion, Fusion | None, name="fusion")

    def group_sensors(self) -> list[list[Mapping[str, Any]]]:
        """Return the sensors that each backbone reads; without sensors, one backbone reads none."""
        fusion = self.parse_fusion()
        if not self.sensors or (fusion is not None and fusion.shares_backbone):
            return [list(self.sensors)]
        return [[sensor] for sensor in self.sensors]

    def make_backbone_config(self, sensors: Sequence[Mapping[str, Any]]) -> PreTrainedConfig:
        """Return the configuration of a backbone that reads some sensors; none for an image."""
        if not sensors:
            return self.backbone_config
        config: Any = copy.deepcopy(self.backbone_config)
        config.num_channels = sum(sensor["channels"] for sensor in sensors)
        return config

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks' names, in head order."""
        return tuple(task["name"] for task in self.tasks)

    @property
    def backbone_width(self) -> int:
        """Width of the backbone's output tokens."""
        return self.get_block_widths()[-1]

    @property
    def patch_size(self) -> int:
        """Side of the square of pixels that one output token covers."""
        size = self.backbone_config.patch_size
        stages = getattr(self.backbone_config, "depths", (1,))
        return (size if isinstance(size, int) else size[0]) * 2 ** (len(stages) - 1)

    def get_block_widths(self) -> list[int]:
        """Return the input width of each block or, in hierarchical backbones, of each stage."""
        config = self.backbone_config
        if (stages := getattr(config, "depths", None)) is None:
            return [config.hidden_size] * config.num_hidden_layers
        return [config.embed_dim * 2**number for number in range(len(stages))]

    def resolve_tasks(self, tasks: TaskNames) -> tuple[str, ...]:
        """Return the names of the requested tasks. Raises ValueError for an unknown one."""
        if tasks is None:
            return self.names
        if not tasks or not set(tasks) <= set(self.names):
            raise ValueError(
                f"tasks={list(tasks)}: give some of {', '.join(self.names)}, or None for all"
            )
        return tuple(tasks)

    def get_task_of_rows(self, tasks: TaskNames, images: Tensor) -> Int[Tensor, " rows"]:
        """Return the task number of each row: the images for the first task, then the second."""
        numbers = [self.names.index(name) for name in self.resolve_tasks(tasks)]
        # Of any number of images, also when traced: neither `len` nor `repeat_interleave` is.
        each = torch.tensor(numbers, device=images.device)[:, None]
        return each.expand(-1, images.shape[0]).flatten()
