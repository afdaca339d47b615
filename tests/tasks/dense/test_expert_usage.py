"""Use is counted for each task, exactly."""

import pytest
import torch

import coterie
from coterie.tasks.dense.expert_usage import measure_usage_by_task
from tests.extract.dense import NAMES, grafted
from tests.tasks.dense.tiny import model, pictures


def test_each_task_by_itself_over_all_batches() -> None:
    whole = grafted().train()
    found = measure_usage_by_task(whole, [pictures()[:1], pictures()[1:]])
    assert whole.training and all(tuple(each["chosen"]) == NAMES for each in found.values())
    whole.eval()
    with coterie.observe(whole) as tape:
        whole(pixel_values=pictures())
    assert len(tape) == 4
    for layer, routing in tape.items():
        for number, task in enumerate(NAMES):
            assert routing.task is not None
            chosen = (routing.weights[routing.task == number] != 0).double().mean(0)
            assert found[layer]["chosen"][task] == pytest.approx(chosen.tolist())
            # Two of them for each token.
            assert sum(found[layer]["chosen"][task]) == pytest.approx(2)
    assert all(each["chosen"]["depth"] != each["chosen"]["normal"] for each in found.values())


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="give some of depth, normal, scene"):
        measure_usage_by_task(grafted(), [pictures()], tasks=("dept",))
    assert not measure_usage_by_task(grafted(), [], tasks=("depth",))
    assert torch.is_grad_enabled() and model().training is False
