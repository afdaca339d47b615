"""The dense twin does the operations that the chosen experts do."""

import pytest
import torch

from benchmarks.dense import COTERIE, DENSE, Case, candidates, operations

SMALL = {"dtype": "fp32", "layers": 2, "side": 32, "batch": 1}


@pytest.mark.parametrize("attention", [False, True])
def test_chosen_experts_and_the_twin_do_the_same(attention: bool) -> None:
    built = candidates(Case(attention=attention, **SMALL), torch.device("cpu"))
    twin = operations(built[DENSE])
    # Gates: 16 products of the width a token where the MLP has 2 * 4 * 384, so 0.5 % at most.
    assert 1 < operations(built["coterie, task by task"]) / twin < 1.005
    # One pass embeds the patches once, not five times.
    assert operations(built[COTERIE]) < twin
