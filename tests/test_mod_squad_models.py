"""Sizes of the published configurations, counted on models without data."""

import pytest
import torch

import coterie
from coterie.evaluate.cost import count_total_parameters
from coterie.mod_squad_models import MODELS
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.tasks.dense.kinds.depth import Depth
from coterie.tasks.dense.kinds.distillation import Distillation
from coterie.tasks.dense.kinds.regression import Regression
from coterie.tasks.dense.task import DenseTask

# Channels of a pixel: 1 of nine tasks (depths, edges, keypoints 2 each; two segmentations and
# one more), see A1 of the specification: 8 of 1 channel, normals 3, curvature 2, reshading 3.
TASKS: tuple[DenseTask, ...] = (
    Distillation(name="class_object", classes=1000),
    Distillation(name="class_scene", classes=365),
    Depth(name="depth_euclidean"),
    Depth(name="depth_zbuffer"),
    *(Regression(name=name) for name in ("edge_occlusion", "edge_texture", "keypoints2d",
                                         "keypoints3d", "segment_unsup2d", "segment_unsup25d")),
    Regression(name="normal", num_channels=3),
    Regression(name="principal_curvature", num_channels=2),
    Regression(name="reshading", num_channels=3),
)  # fmt: skip
PATCHES = {"mtvit_tiny": 768 * 192 + 192, "mtvit_small": 768 * 384 + 384}
"""The authors' numbers of these leave out the patch embedding: 16 x 16 x 3 inputs and a bias."""


@pytest.mark.parametrize("name", MODELS)
def test_as_many_parameters_as_the_authors_note(name: str) -> None:
    published = MODELS[name]
    with torch.device("meta"):
        model = MultiTaskVisionModel(published.build_model(TASKS))
        recipe = published.recipe
        if recipe is not None:
            names = [task.name for task in TASKS]
            model = coterie.graft(model, recipe.mixtures, tasks=names)
    millions = (count_total_parameters(model) - PATCHES.get(name, 0)) / 1e6
    assert millions == pytest.approx(published.parameters_in_millions, rel=0.01)
    assert millions == pytest.approx(published.parameters_in_millions, rel=0.001)  # as it happens
