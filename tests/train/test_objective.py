"""The loss of answer tokens: that of the model's own loss, whatever is narrowed or split up."""

import math

import pytest
import torch
from torch import nn

from coterie import Fixed, Uncertainty
from coterie.tasks.losses import ItemLosses, TaskLossSums, sum_by_task
from coterie.tasks.text.loss import compute_token_losses
from coterie.train.objective import compute_objective
from tests.tiny import TINY
from tests.tuner.checks import grafted


def batch_of(family: str):
    tiny = TINY[family]()
    return grafted(tiny, _mixture()), tiny.batch | {"task_ids": torch.tensor([0, 1])}


def _mixture():
    from coterie import Mixture

    return Mixture(at="text.mlp")


@pytest.mark.parametrize("family", ["llama", "qwen2", "llava", "idefics3", "qwen2_vl", "gemma3"])
@pytest.mark.parametrize("narrow", [True, False])
def test_mean_is_the_models_own_loss(family: str, narrow: bool):
    model, batch = batch_of(family)
    head = model.get_base_model().get_output_embeddings() if narrow else None
    found = compute_token_losses(model, head, batch)
    torch.testing.assert_close(found.losses.mean(), model(**batch).loss)
    labelled = (batch["labels"][:, 1:] != -100).sum(1)
    assert found.task_ids.bincount().tolist() == labelled.tolist()


def test_head_sees_answers_only():
    model, batch = batch_of("llama")
    head = model.get_base_model().get_output_embeddings()
    seen = []
    head.register_forward_hook(lambda module, args, output: seen.append(output.shape[:2]))
    found = compute_token_losses(model, head, batch)
    assert seen == [(1, len(found.losses))]
    assert not head._forward_pre_hooks


def test_logits_of_another_shape_are_refused(unchecked: None):
    class Odd(nn.Module):
        def forward(self, **inputs: torch.Tensor):
            class Answer:
                logits = torch.zeros(2, 3)

            return Answer()

    batch = TINY["llama"]().batch | {"task_ids": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=r"logits of shape \(2, 3\)"):
        compute_token_losses(Odd(), None, batch)


def test_objective_of_fixed_is_the_mean_over_tokens():
    found = ItemLosses(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0, 0, 2]))
    sums = sum_by_task(found, 3)
    assert sums.sums.tolist() == [3, 0, 6] and sums.counts.tolist() == [2, 0, 1]
    # (1 + 2 + 6) / 3
    assert compute_objective(sums, Fixed().build(3), 3.0).item() == 3
    # task 2 counts double: (1 + 2 + 2 * 6) / 3
    assert compute_objective(sums, Fixed(weights=(1.0, 1.0, 2.0)).build(3), 3.0).item() == 5


def test_parts_add_up_to_the_whole_with_uncertainty():
    balancing = Uncertainty().build(2)
    balancing.sigma.data = torch.tensor([1.0, 2.0])
    whole = TaskLossSums(torch.tensor([3.0, 6.0]), torch.tensor([3.0, 1.0]))
    first = TaskLossSums(torch.tensor([1.0, 6.0]), torch.tensor([1.0, 1.0]))
    second = TaskLossSums(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 0.0]))
    # means 1 and 6: 3/4 (0.5 * 1 + log 2) + 1/4 (0.5 / 4 * 6 + log 5)
    expected = 0.75 * (0.5 + math.log(2)) + 0.25 * (0.75 + math.log(5))
    assert compute_objective(whole, balancing, 4.0).item() == pytest.approx(expected)
    parts = compute_objective(first, balancing, 4.0) + compute_objective(second, balancing, 4.0)
    assert parts.item() == pytest.approx(expected)
