"""`MultiTaskVisionConfig`: a vision backbone, its tasks' heads and its shared layers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

HEADS = ("linear", "convolutions")


class MultiTaskVisionConfig(PretrainedConfig):
    """The configuration of a `MultiTaskVisionModel`.

    Args:
        backbone_config: the backbone's own configuration, or its `to_dict()`.
        tasks: {"name": ..., "channels": ..., "whole_picture": ...} per task, in head order.
        head: "linear", a linear map from a patch's token to its pixels (Mod-Squad's code), or
            "convolutions", 3 x 3 with upsampling between (M3ViT, arXiv:2210.14793).
        task_embedding: whether a task embedding is added to the tokens before every block.
        embedding_std: initial standard deviation of task embeddings. 1 in Mod-Squad's code, which
            trains from scratch; smaller ones disturb pretrained tokens less.
        shared_layers: number of first blocks that all tasks share: they get no task embedding and
            run once for all tasks.
    """

    model_type = "coterie_multi_task"
    # transformers declares this as a computed property and reads it when it saves and loads.
    sub_configs: ClassVar = {"backbone_config": AutoConfig}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(
        self,
        backbone_config: PretrainedConfig | Mapping[str, Any] | None = None,
        tasks: Sequence[Mapping[str, Any]] = (),
        head: str = "linear",
        task_embedding: bool = True,
        embedding_std: float = 0.02,
        shared_layers: int = 0,
        **rest: Any,
    ) -> None:
        if backbone_config is None:
            backbone_config = {"model_type": "vit"}
        if isinstance(backbone_config, Mapping):
            given = dict(backbone_config)
            backbone_config = AutoConfig.for_model(given.pop("model_type"), **given)
        self.backbone_config = backbone_config
        self.tasks = [dict(task) for task in tasks]
        self.head = head
        self.task_embedding = task_embedding
        self.embedding_std = embedding_std
        self.shared_layers = shared_layers
        super().__init__(**rest)
        if head not in HEADS:
            raise ValueError(f"head={head!r}: allowed are {', '.join(HEADS)}")
        if not 0 <= shared_layers < len(self.get_block_widths()):
            raise ValueError(
                f"shared_layers={shared_layers}: the backbone has {len(self.get_block_widths())} "
                f"blocks, and "
                "at least one must be the tasks' own"
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"tasks={self.names}: give each a name of its own")

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
        size = size if isinstance(size, int) else size[0]
        stages = getattr(self.backbone_config, "depths", (1,))
        return size * 2 ** (len(stages) - 1)

    def get_block_widths(self) -> list[int]:
        """Return the input width of each block or, in hierarchical backbones, of each stage."""
        config = self.backbone_config
        stages = getattr(config, "depths", None)
        if stages is None:
            return [config.hidden_size] * config.num_hidden_layers
        return [config.embed_dim * 2**number for number in range(len(stages))]

    def resolve_tasks(self, tasks: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names of the requested tasks. Raises ValueError for an unknown one."""
        if tasks is None:
            return self.names
        unknown = [name for name in tasks if name not in self.names]
        if unknown or not tasks:
            raise ValueError(
                f"tasks={list(tasks)}: give some of {', '.join(self.names)}, or None for all"
            )
        return tuple(tasks)
