"""The named models of Mod-Squad's released code, with the parameter counts its authors give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from transformers import ViTConfig

from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.recipe import Recipe
from coterie.recipes.mod_squad import mod_squad
from coterie.tasks.dense.task import DenseTask

LAYERS = 12


@dataclass(frozen=True, kw_only=True)
class PaperModel:
    """One named model of `models_mt.py`, for 13 tasks of Taskonomy on images of 224 x 224 pixels.

    Attributes not listed are as in `coterie.recipes.mod_squad`.

    Attributes:
        width: features of a token.
        heads: attention heads of a dense block.
        parameters_in_millions: parameters, from a comment of the authors.
    """

    width: int
    heads: int
    attention: tuple[int, int] | None = None
    mlp: tuple[int, int] | None = None
    mlp_ratio: int = 4
    layers: Literal["all", "alternate", "odd mlp"] = "all"
    information: float = 0.0
    parameters_in_millions: float

    def build_model(
        self, tasks: Sequence[DenseTask], *, image_size: int = 224
    ) -> MultiTaskVisionConfig:
        """Return the dense model; its heads are as wide as those of query experts, if any."""
        wider = 1 if self.attention is None else 2
        # ViT's attention reads `head_dim`, which its configuration does not declare.
        own: dict[str, Any] = {"head_dim": wider * self.width // self.heads}
        backbone = ViTConfig(
            hidden_size=self.width, num_hidden_layers=LAYERS, num_attention_heads=self.heads,
            intermediate_size=4 * self.width, image_size=image_size, patch_size=16,
            layer_norm_eps=1e-6, **own,
        )  # fmt: skip
        heads = [
            {"name": task.name, "channels": task.channels, "whole_picture": task.is_image_level}
            for task in tasks
        ]
        return MultiTaskVisionConfig(backbone_config=backbone, tasks=heads, embedding_std=1.0)

    def build_recipe(self) -> Recipe | None:
        """Return the recipe of its mixtures; None for a dense model."""
        if self.attention is None and self.mlp is None:
            return None
        return mod_squad(
            attention=self.attention, mlp=self.mlp, mlp_ratio=self.mlp_ratio, layers=self.layers,
            information=self.information, pretrained=False, released=True,
        )  # fmt: skip


MODELS: Mapping[str, PaperModel] = {
    # The code has 24 query experts; the authors' count is that of 15, to the last digit.
    "mtvit_taskgate_att_mlp_base_MI_twice": PaperModel(
        width=768, heads=12, attention=(15, 12), mlp=(16, 4), layers="alternate",
        information=0.005, parameters_in_millions=195.80,
    ),
    # The authors' count is that of an MLP ratio of 1, to the last digit.
    "mtvit_taskgate_att_mlp_small_MI_twice": PaperModel(
        width=384, heads=6, attention=(15, 6), mlp=(16, 4), mlp_ratio=1, layers="alternate",
        information=0.005, parameters_in_millions=34.17,
    ),
    "mtvit_taskgate_att_mlp_small_MI": PaperModel(
        width=384, heads=6, attention=(12, 6), mlp=(16, 4), mlp_ratio=1, layers="odd mlp",
        information=0.005, parameters_in_millions=33.25,
    ),
    # Six of six query experts are always chosen: the count is that of dense attention.
    "mtvit_taskgate_mlp16E4_small": PaperModel(
        width=384, heads=6, mlp=(16, 4), parameters_in_millions=67.37
    ),
    # The counts of both dense models exclude the patch embedding.
    "mtvit_tiny": PaperModel(width=192, heads=3, parameters_in_millions=6.43),
    "mtvit_small": PaperModel(width=384, heads=6, parameters_in_millions=23.48),
}  # fmt: skip
