"""The multi-task backbone tells its rows' tasks, and refuses sites that do not fit them."""

import math

import pytest
import torch

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.families.multitask_vit import MultiTaskViT, get_block_index
from tests.tasks.dense.tiny import model, pictures

MIXTURE = Mixture(at="vision.mlp", experts=Copies(count=2), gate=TaskGate(), router=TopK(k=1))


def test_indices_of_blocks() -> None:
    assert get_block_index("backbone.encoder.layer.3.mlp.fc1") == 3
    assert get_block_index("backbone.layers.11.attention") == 11
    assert get_block_index("backbone.layernorm") == math.inf


def test_each_row_is_a_task_s_image() -> None:
    host, inputs = model(), {"pixel_values": pictures(), "tasks": ("scene", "depth")}
    assert MultiTaskViT().get_task_of_rows(inputs, host.config).tolist() == [2, 2, 0, 0]
    shares = MultiTaskViT().count_rows_per_sample("vision", inputs, host.config)
    assert torch.equal(shares, torch.ones(4))


def test_blocks_that_tasks_share_have_no_mixture() -> None:
    with pytest.raises(ValueError, match="in one of the first shared_layers=1 blocks"):
        coterie.graft(model(shared_layers=1), MIXTURE, tasks=("depth", "normal", "scene"))


def test_tasks_in_another_order_than_the_heads_are_refused() -> None:
    with pytest.raises(ValueError, match=r"give tasks=\('depth', 'normal', 'scene'\)"):
        coterie.graft(model(), MIXTURE, tasks=("normal", "depth", "scene"))
