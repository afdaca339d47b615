"""The tiny models are small, always the same, and answer their own batch."""

import pytest
import torch

from tests.tinies.base import ANSWER, EOS
from tests.tiny import TINY


@pytest.mark.parametrize("family", TINY)
def test_small_and_always_the_same(family: str) -> None:
    first, second = TINY[family](), TINY[family]()
    assert not first.model.training
    assert sum(weights.numel() for weights in first.model.parameters()) < 200_000
    with torch.no_grad():
        losses = [tiny.model(**tiny.batch).loss for tiny in (first, second)]
    assert torch.isfinite(losses[0]) and torch.equal(*losses)


# PaliGemma's processor ends each text with a line break.
TEXTS = [
    name for name in TINY if "input_ids" in TINY[name]().batch and name != "paligemma"
]  # fmt: skip


@pytest.mark.parametrize("family", TEXTS)
def test_labels_are_the_answers(family: str) -> None:
    batch = TINY[family]().batch
    assert (batch["attention_mask"] == 0).any()
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        start = ids.tolist().index(ANSWER) + 1
        end = ids.tolist().index(EOS) + 1
        labelled = (labels != -100).nonzero().flatten().tolist()
        assert labelled == list(range(start, end))
        assert torch.equal(labels[start:end], ids[start:end])
