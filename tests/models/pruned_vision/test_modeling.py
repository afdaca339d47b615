"""The pruned model by itself: what its configuration allows, and that it is a plain model."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from coterie import Copies, Mixture, TaskGate, TopK
from coterie.models.pruned_vision.modeling import (
    PrunedMixtureLayer,
    PrunedVisionConfig,
    PrunedVisionModel,
    list_weighted_experts,
)
from coterie.serialization import dump
from tests.tasks.dense.tiny import TASKS, model, pictures

MIXTURE = Mixture(
    at="vision.mlp", experts=Copies(count=5), gate=TaskGate(init_std=1.0),
    router=TopK(k=2, closed=(0, 3)),
)  # fmt: skip
MLP = "backbone.layers.0.mlp"


def small() -> PrunedVisionModel:
    host = model(tasks=TASKS[1:2]).config
    return PrunedVisionModel(
        PrunedVisionConfig(vision_config=host, mixtures={MLP: dump(MIXTURE)})
    ).eval()


def test_only_open_experts_have_weights() -> None:
    layer = small().vision.get_submodule(MLP)
    assert isinstance(layer, PrunedMixtureLayer) and layer.expert_indices == [1, 2, 4]
    shapes = {name: tuple(each.shape) for name, each in layer.named_parameters()}
    # Three of five experts, 32 features to 64 and back; a row of the gate for each of the five.
    assert shapes == {
        "gate.weight": (1, 5, 32),
        "experts.fc1__weight": (3, 64, 32),
        "experts.fc1__bias": (3, 64),
        "experts.fc2__weight": (3, 32, 64),
        "experts.fc2__bias": (3, 32),
    }


def test_the_always_on_expert_is_never_closed() -> None:
    shared = Mixture(experts=Copies(count=2), gate=TaskGate(), shared=Copies(count=1),
                     router=TopK(k=1, closed=(1,)))  # fmt: skip
    assert list_weighted_experts(shared) == [0, 2]


def test_a_plain_model_of_one_task(tmp_path) -> None:
    pruned = small()
    assert pruned.task == "normal"
    pruned.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        [(task, said)] = again(pixel_values=pictures()).predictions.items()
        wanted = pruned(pixel_values=pictures()).predictions[task]
    assert task == "normal" and torch.equal(said, wanted)
    assert AutoConfig.from_pretrained(tmp_path).parse_mixtures() == {MLP: MIXTURE}


def test_it_trains_as_a_whole() -> None:
    layer = small().train().vision.get_submodule(MLP)
    assert (
        isinstance(layer, PrunedMixtureLayer) and layer.training and layer._base_layer[0].training
    )
    assert {each.device.type for each in layer._base_layer[0].parameters()} == {"meta"}


def test_one_task_only() -> None:
    with pytest.raises(ValueError, match=r"has the tasks depth, normal, scene: a pruned model"):
        PrunedVisionConfig(vision_config=model().config)
