"""`MultiTaskVisionModel`: a vision backbone with a head per task, run for all tasks at once."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from coterie.encoding.fusion import Present
from coterie.models.base_config import load_config
from coterie.models.multitask_vision.backbones import (
    Images,
    adapt_patch_embedding,
    build_backbone,
    get_pooler_kwargs,
    select_kwargs,
    split_sensors,
)
from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig, TaskNames
from coterie.models.multitask_vision.heads import HeadTask, build
from coterie.models.weight_checks import load_checked


@dataclass
class MultiTaskVisionOutput(ModelOutput):
    """Outputs of the heads.

    Attributes:
        predictions: task -> [batch, channels, height, breadth] of the image's size, or
            [batch, channels] for image-level tasks.
        last_hidden_state: the first backbone's, [tasks * batch, seq, width], ordered by task.
    """

    # Not Tensor: accelerate rebuilds an output from one mapping of its fields, passed first.
    predictions: dict[str, Any] | None = None
    last_hidden_state: Float[Tensor, "rows seq width"] | None = None


class MultiTaskVisionModel(PreTrainedModel):
    """A backbone run for several tasks at once, with task embeddings added to its tokens.

    As in Mod-Squad (arXiv:2212.08066; `MTVisionTransformerMoETaskGating` of its code), a learned
    task embedding is added to all tokens before every block, and a head per task reads the output.
    Blocks before the first with task embeddings are the same for all tasks and run once; from
    there on, the batch has tasks * images rows, ordered by task.

    The backbone is any vision model of transformers whose blocks are in one ModuleList: ViT, DeiT,
    DINOv2, DINOv3, SigLIP, CLIP, Swin. After grafting, task ids of rows are derived, not passed.

    Of several sensors, each has a backbone of its own, and a `coterie.encoding.Fusion` joins their
    maps before the heads, from the sensors that an image has; or one backbone reads all of them.
    """

    config_class = MultiTaskVisionConfig
    base_model_prefix = "backbone"
    main_input_name = "pixel_values"
    input_modalities = "image"
    _supports_sdpa = True
    # Blocks are checkpointed individually; the hooks that repeat rows per task are outside them.
    supports_gradient_checkpointing = True

    def __init__(self, config: MultiTaskVisionConfig) -> None:
        super().__init__(config)
        self.sensor_groups = config.group_sensors()
        first, *others = self.sensor_groups
        self.backbone: Any = build_backbone(config, first)
        self.sensor_backbones = nn.ModuleDict(
            {sensor["name"]: build_backbone(config, [sensor]) for [sensor] in others}
        )
        widths = config.get_block_widths()[config.shared_layers :] if config.task_embedding else []
        self.embeddings = nn.ParameterDict()
        for width in dict.fromkeys(widths):
            vectors = config.embedding_std * torch.randn(len(config.tasks), width)
            self.embeddings[str(width)] = nn.Parameter(vectors)
        self.heads = nn.ModuleList(
            build(task, config.backbone_width, config.patch_size, config.head)
            for task in config.tasks
        )
        self.fusion_kind = config.parse_fusion()
        self.fusion: Any = None
        if self.fusion_kind is not None:
            self.fusion = self.fusion_kind.build(1 + len(others), config.backbone_width)
            for module in self.fusion.modules():
                module._is_hf_initialized = True  # by itself, as published, not by transformers
        self.post_init()

    @classmethod
    def from_backbone(
        cls,
        base: str,
        tasks: Iterable[HeadTask],
        *,
        pretrained: bool = True,
        drop_path: float | None = None,
        **choices: Any,
    ) -> "MultiTaskVisionModel":
        """Build a model with one head for each task on a backbone.

        Args:
            base: folder or hub id of a vision model, or of an image-text model, of which the
                vision tower is used.
            pretrained: whether to load the backbone's weights or to initialise them randomly.
            drop_path: see `coterie.tasks.VisionConfig`.
            choices: other fields of `MultiTaskVisionConfig`.

        Raises ValueError if there is no such model, its blocks are not found, or `drop_path` is
        given and the backbone has none.
        """
        backbone = load_config(base)
        backbone = getattr(backbone, "vision_config", backbone)
        if drop_path is not None:
            if "drop_path_rate" not in backbone.to_dict():
                raise ValueError(
                    f"drop_path={drop_path}: a {backbone.model_type} backbone of transformers has "
                    "no drop path; DINOv2, DINOv3 and Swin have. Leave drop_path out, or take one "
                    "of these"
                )
            backbone.update({"drop_path_rate": drop_path})
        heads = [
            {"name": task.name, "channels": task.channels, "whole_picture": task.is_image_level}
            for task in tasks
        ]
        model = cls(MultiTaskVisionConfig(backbone_config=backbone, tasks=heads, **choices))
        if pretrained:
            options = get_pooler_kwargs(backbone)
            load = AutoModel.from_pretrained
            # Heads read the tokens; a pooler is not used.
            loaded = load_checked(base, load, unused="pool", config=backbone, **options)
            if choices.get("sensors"):
                model._copy_backbone(loaded)
            else:
                model.backbone = loaded
        return model

    def forward(self, pixel_values: Images, tasks: TaskNames = None) -> MultiTaskVisionOutput:
        """Run some tasks on the same images.

        Raises ValueError for an unknown task or images of an invalid size.
        """
        names = self.config.resolve_tasks(tasks)
        grid = self._get_patch_grid(pixel_values)
        rows = self.config.get_task_of_rows(names, pixel_values)
        pixels, present = split_sensors(pixel_values, self.sensor_groups)
        hidden: list[Tensor] = []  # each backbone's output
        plain: list[Tensor] = []  # the same, before its last norm
        for backbone, channels in zip(self.get_backbones(), pixels, strict=True):
            # Other image sizes than in pretraining.
            sizes = select_kwargs(backbone.forward, interpolate_pos_encoding=True)
            with self._hook_blocks(backbone, rows, len(names)) as written:
                hidden += [backbone(pixel_values=channels, **sizes).last_hidden_state]
            plain += written
        whole = [task["whole_picture"] for task in self.config.tasks]
        asked = {whole[self.config.names.index(name)] for name in names}
        maps = {level: self._join(plain if level else hidden, grid, present) for level in asked}
        predictions = {}
        for place, name in enumerate(names):
            number = self.config.names.index(name)
            of_task = maps[whole[number]].unflatten(0, (len(names), -1))[place]
            predictions[name] = self.heads[number](of_task)
        if all(whole):
            # The final norm is unused: add it to the graph with a gradient of 0, as DDP requires.
            unused = sum(each.flatten()[:0].sum() for each in hidden)
            predictions = {name: each + unused for name, each in predictions.items()}
        return MultiTaskVisionOutput(predictions=predictions, last_hidden_state=hidden[0])

    def _join(
        self, tokens: Sequence[Float[Tensor, "rows seq width"]], grid: tuple[int, int],
        present: Present | None,
    ) -> Float[Tensor, "rows width height breadth"]:  # fmt: skip
        """Return the patches' features as a map, of all backbones together."""
        count = grid[0] * grid[1]
        patches = [each[:, each.shape[1] - count :].transpose(1, 2) for each in tokens]
        maps = [each.unflatten(2, grid) for each in patches]
        if self.fusion_kind is None or present is None:
            return maps[0]
        tasks = len(maps[0]) // present.shape[1]  # rows are ordered by task
        return self.fusion_kind.join(self.fusion, torch.stack(maps), present.repeat(1, tasks))

    def _get_patch_grid(self, pixel_values: Tensor) -> tuple[int, int]:
        height, breadth = pixel_values.shape[-2:]
        patch = self.config.patch_size
        if height % patch or breadth % patch:
            raise ValueError(
                f"pixel_values are {height} x {breadth}: give pictures whose sides divide by the "
                f"backbone's patch of {patch}, such as {max(1, height // patch) * patch}; in "
                "training, by vision.size or vision.augment.crop"
            )
        return height // patch, breadth // patch

    @contextlib.contextmanager
    def _hook_blocks(
        self, backbone: nn.Module, rows: Int[Tensor, " rows"], tasks: int
    ) -> Iterator[list[Tensor]]:
        """Repeat the rows per task from block `shared_layers` on, and add task embeddings.

        Yields a list that gets the last block's output, before the final norm.
        """
        blocks = self.get_blocks(backbone)
        own = blocks[self.config.shared_layers :]
        written: list[Tensor] = []

        def repeat(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (args[0].repeat(tasks, *[1] * (args[0].ndim - 1)), *args[1:])

        def add(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            vectors = self.embeddings[str(args[0].shape[-1])]
            # In the tokens' dtype: float32 embeddings would promote all tokens to float32.
            return (args[0] + vectors.to(args[0].dtype)[rows][:, None], *args[1:])

        def keep(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            written.append(output if isinstance(output, Tensor) else output[0])

        with contextlib.ExitStack() as stack:  # removes the hooks
            stack.enter_context(own[0].register_forward_pre_hook(repeat))
            for block in own if self.embeddings else ():
                stack.enter_context(block.register_forward_pre_hook(add))
            stack.enter_context(blocks[-1].register_forward_hook(keep))
            yield written

    def get_backbones(self) -> list[Any]:
        """Return the backbones, in the order of their sensors; only one without sensors."""
        return [self.backbone, *self.sensor_backbones.values()]

    def get_blocks(self, backbone: nn.Module | None = None) -> nn.ModuleList:
        """Return a backbone's blocks or stages, first to last; None for the first backbone."""
        modules = (self.backbone if backbone is None else backbone).modules()
        lists = (part for part in modules if isinstance(part, nn.ModuleList))
        return next(part for part in lists if len(part) == len(self.config.get_block_widths()))

    def get_own_blocks(self) -> list[nn.Module]:
        """Return the blocks from `shared_layers` on, of all backbones."""
        blocks = [list(self.get_blocks(backbone)) for backbone in self.get_backbones()]
        return [block for each in blocks for block in each[self.config.shared_layers :]]

    def _copy_backbone(self, loaded: nn.Module) -> None:
        """Copy the weights of a backbone of RGB images into those of all sensors."""
        for backbone, sensors in zip(self.get_backbones(), self.sensor_groups, strict=True):
            backbone.load_state_dict(adapt_patch_embedding(loaded, sensors))


AutoConfig.register(MultiTaskVisionConfig.model_type, MultiTaskVisionConfig)
AutoModel.register(MultiTaskVisionConfig, MultiTaskVisionModel)
