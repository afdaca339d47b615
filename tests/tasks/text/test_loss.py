"""The loss of answer tokens: that of the model's own loss, whatever is narrowed."""

import pytest
import torch
from torch import nn

from coterie import Mixture
from coterie.tasks.text.loss import compute_token_losses
from tests.tiny import TINY
from tests.tuner.checks import grafted


def batch_of(family: str):
    tiny = TINY[family]()
    return grafted(tiny, Mixture(at="text.mlp")), tiny.batch | {"task_ids": torch.tensor([0, 1])}


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
