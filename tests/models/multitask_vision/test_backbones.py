"""Backbones of several sensors: their first weights, their channels, and missing ones."""

import re
from typing import Any

import pytest
import torch
from transformers import AutoModel, ViTModel

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.families.multitask_vit import MultiTaskViT
from coterie.models.multitask_vision.backbones import adapt_patch_embedding, split_sensors
from coterie.models.multitask_vision.fusions.channels import ChannelConcatenation
from coterie.models.multitask_vision.fusions.mean import MeanFusion
from coterie.models.multitask_vision.fusions.u3m import U3MFusion
from coterie.models.multitask_vision.modeling import MultiTaskVisionModel
from coterie.serialization import dump
from coterie.tasks.dense.kinds.depth import Depth
from tests.tasks.dense.tiny import BACKBONES, SENSORS, TASKS, model, pictures, sensor_maps

NAMES = tuple(task["name"] for task in TASKS)
MEAN: dict[str, Any] = {"sensors": SENSORS, "fusion": dump(MeanFusion())}


@pytest.mark.parametrize("kind", [ChannelConcatenation(), MeanFusion(), U3MFusion()])
@pytest.mark.parametrize("family", BACKBONES)
def test_every_family_reads_two_sensors(family: str, kind: Any) -> None:
    host = model(family, sensors=SENSORS, fusion=dump(kind))
    found = host(pixel_values=sensor_maps()).predictions
    shapes = {"depth": (2, 1, 28, 28), "normal": (2, 3, 28, 28), "scene": (2, 5)}
    assert {name: tuple(each.shape) for name, each in found.items()} == shapes
    for name, each in found.items():
        [alone] = host(pixel_values=sensor_maps(), tasks=(name,)).predictions.values()
        torch.testing.assert_close(each, alone)
        # An image without depth is what it is alone; the other is as before.
        without = host(pixel_values=sensor_maps(1)).predictions[name]
        torch.testing.assert_close(without[0], each[0])
        assert not torch.allclose(without[1], each[1])
        torch.testing.assert_close(host(sensor_maps(1)[1:]).predictions[name], without[1:])


def test_the_mean_without_depth_is_the_image_alone() -> None:
    host, plain = model(**MEAN), model()
    state = {n: each for n, each in host.state_dict().items() if not n.startswith("sensor_")}
    plain.load_state_dict(state)
    wanted = plain(pixel_values=pictures()).predictions
    for name, each in host(pixel_values=sensor_maps(0, 1)).predictions.items():
        torch.testing.assert_close(each, wanted[name])


def test_experts_in_every_backbone_know_their_tasks() -> None:
    mixture = Mixture(at="vision.mlp", experts=Copies(count=4), gate=TaskGate(), router=TopK(k=2))
    grafted = coterie.graft(model(**MEAN), (mixture,), tasks=NAMES)
    with coterie.observe(grafted) as tape:
        grafted(pixel_values=sensor_maps())
    assert sorted(name.rpartition(".layers")[0] for name in tape) == [
        "backbone", "backbone", "sensor_backbones.depth", "sensor_backbones.depth"
    ]  # fmt: skip
    for routing in tape.values():
        assert routing.task.tolist() == [task for task in range(3) for _ in range(2 * 17)]


def test_patch_embeddings_of_added_sensors_are_new() -> None:
    names = [name for name, _ in model(**MEAN).named_parameters()]
    found = {name for name in names if re.fullmatch(MultiTaskViT.new_parameters, name)}
    embeddings = {name for name in found if "patch_embeddings" in name}
    assert len(embeddings) == 2 and all("sensor_backbones.depth" in name for name in embeddings)
    assert found - embeddings == {n for n in names if n.startswith(("heads.", "embeddings."))}


def test_a_sensor_starts_as_a_grey_image(tmp_path) -> None:
    torch.manual_seed(1)
    rgb = ViTModel(BACKBONES["vit"](), add_pooling_layer=False)
    rgb.save_pretrained(tmp_path)
    found = {
        kind: MultiTaskVisionModel.from_backbone(
            str(tmp_path), [Depth(name="depth")], sensors=SENSORS, fusion=dump(kind)
        ).eval()
        for kind in (MeanFusion(), ChannelConcatenation())
    }
    image, grey = pictures(), pictures()[:, :1]
    both = torch.cat([image, grey], 1)
    apart, together = found.values()
    wanted, of_grey = (rgb.embeddings(x) for x in (image, grey.expand(-1, 3, -1, -1)))
    torch.testing.assert_close(apart.backbone.embeddings(image), wanted)
    torch.testing.assert_close(apart.sensor_backbones["depth"].embeddings(grey), of_grey)
    # Of one backbone for both, the mean.
    torch.testing.assert_close(together.backbone.embeddings(both), (wanted + of_grey) / 2)


def test_channels_of_a_sensor_share_the_grey() -> None:
    backbone = model().backbone
    weights = adapt_patch_embedding(backbone, [{"name": "x", "channels": 2}])
    [weight] = (each for name, each in weights.items() if name.endswith("projection.weight"))
    summed = backbone.embeddings.patch_embeddings.projection.weight.sum(1)
    assert weight.shape[1] == 2
    torch.testing.assert_close(weight[:, 0], summed / 2)
    assert torch.equal(weight[:, 0], weight[:, 1])


def test_unknown_pixels_are_0_and_a_map_of_them_is_missing() -> None:
    values = torch.tensor([[[[1.0]], [[torch.nan]]], [[[2.0]], [[3.0]]]])  # two images of a pixel
    groups = [[{"name": "a", "channels": 1}], [{"name": "b", "channels": 1}]]
    (first, second), present = split_sensors(values, groups)
    assert first.flatten().tolist() == [1, 2] and second.flatten().tolist() == [0, 3]
    assert present is not None and present.tolist() == [[True, True], [False, True]]
    assert split_sensors(values, [[]])[1] is None


def test_it_is_saved_and_read_again(tmp_path) -> None:
    host = model(sensors=SENSORS, fusion=dump(U3MFusion()))
    host.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    wanted = host(pixel_values=sensor_maps(0)).predictions
    for name, each in again(pixel_values=sensor_maps(0)).predictions.items():
        torch.testing.assert_close(each, wanted[name], rtol=0, atol=0)
