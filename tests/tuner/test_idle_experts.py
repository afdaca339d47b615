"""Experts at modules that are never called are warned of, once."""

import pytest
import torch.nn.functional as F

import coterie
from coterie import Mixture
from coterie.tuner.idle_experts import IDLE_PASSES
from tests.tiny import TINY


def test_a_module_whose_weight_alone_is_read() -> None:
    tiny = TINY["llama"]()
    mlp = tiny.model.model.layers[1].mlp
    mlp.forward = lambda x: F.linear(F.linear(x, mlp.up_proj.weight), mlp.down_proj.weight)
    model = coterie.graft(tiny.model, Mixture(at=r".*\.(up|down)_proj"))
    for _ in range(IDLE_PASSES - 1):
        model(**tiny.batch)
    with pytest.warns(UserWarning, match=r"at 2 modules \(model\.layers\.1\.mlp\.up_proj, .*down"):
        model(**tiny.batch)
    model(**tiny.batch)
    with model.disable_adapter():
        model(**tiny.batch)
