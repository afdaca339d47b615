"""The multi-task backbone tells its rows' tasks, and refuses sites that do not fit them."""

from types import SimpleNamespace

import pytest
import torch

import coterie
from coterie import Copies, Mixture, TaskGate, TopK
from coterie.families.multitask_vit import MultiTaskViT
from tests.tasks.dense.tiny import model, pictures

MIXTURE = Mixture(at="vision.mlp", experts=Copies(count=2), gate=TaskGate(), router=TopK(k=1))


def test_blocks_are_numbered_by_their_names() -> None:
    def is_refused(name: str, shared: int) -> bool:
        config = SimpleNamespace(shared_layers=shared)
        return MultiTaskViT().find_site_problem([name], (), config) is not None

    assert [is_refused("backbone.encoder.layer.3.mlp.fc1", n) for n in (3, 4)] == [False, True]
    assert [is_refused("backbone.layers.11.attention", n) for n in (11, 12)] == [False, True]
    assert not is_refused("backbone.layernorm", 12)


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
