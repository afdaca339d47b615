"""The named models of Mod-Squad's released code, with the parameter counts its authors give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import ViTConfig

from coterie.models.multitask_vision.configuration import MultiTaskVisionConfig
from coterie.recipe import Recipe
from coterie.recipes.mod_squad import mod_squad
from coterie.tasks.dense.task import DenseTask

LAYERS = 12


EXPERTS = partial(mod_squad, mlp=(16, 4), information=0.005, pretrained=False, released=True)
"""Makes the recipe of a model with mixtures, from the choices that are its own."""


@dataclass(frozen=True, kw_only=True)
class PaperModel:
    """One named model of `models_mt.py`, for 13 tasks of Taskonomy on images of 224 x 224 pixels.

    Attributes:
        width: features of a token.
        heads: attention heads of a dense block.
        head_width: features of an attention head; as wide as those of query experts, if any.
        recipe: the recipe of its mixtures; None for a dense model.
        parameters_in_millions: parameters, from a comment of the authors.
    """

    width: int
    heads: int
    head_width: int = 64
    recipe: Recipe | None = None
    parameters_in_millions: float

    def build_model(
        self, tasks: Sequence[DenseTask], *, image_size: int = 224
    ) -> MultiTaskVisionConfig:
        """Return the dense model, without mixtures."""
        # ViT's attention reads `head_dim`, which its configuration does not declare.
        own: dict[str, Any] = {"head_dim": self.head_width}
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


MODELS: Mapping[str, PaperModel] = {
    # The code has 24 query experts; the authors' count is that of 15, to the last digit.
    "mtvit_taskgate_att_mlp_base_MI_twice": PaperModel(
        width=768, heads=12, head_width=128, parameters_in_millions=195.80,
        recipe=EXPERTS(attention=(15, 12), mlp_ratio=4, layers="alternate"),
    ),
    # The authors' count is that of an MLP ratio of 1, to the last digit.
    "mtvit_taskgate_att_mlp_small_MI_twice": PaperModel(
        width=384, heads=6, head_width=128, parameters_in_millions=34.17,
        recipe=EXPERTS(attention=(15, 6), mlp_ratio=1, layers="alternate"),
    ),
    "mtvit_taskgate_att_mlp_small_MI": PaperModel(
        width=384, heads=6, head_width=128, parameters_in_millions=33.25,
        recipe=EXPERTS(attention=(12, 6), mlp_ratio=1, layers="odd mlp"),
    ),
    # Six of six query experts are always chosen: the count is that of dense attention.
    "mtvit_taskgate_mlp16E4_small": PaperModel(
        width=384, heads=6, parameters_in_millions=67.37,
        recipe=EXPERTS(attention=None, mlp_ratio=4, information=0.0),
    ),
    # The counts of both dense models exclude the patch embedding.
    "mtvit_tiny": PaperModel(width=192, heads=3, parameters_in_millions=6.43),
    "mtvit_small": PaperModel(width=384, heads=6, parameters_in_millions=23.48),
}  # fmt: skip
