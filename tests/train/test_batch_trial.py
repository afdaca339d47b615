"""The longest samples of each data set in turn."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from coterie.train.batch_trial import StoredTensors, choose_longest


class Rows(list):
    token_counts: Any


def test_the_longest_are_chosen_in_turn(unchecked):
    one, two = Rows("abc"), Rows("de")
    one.token_counts, two.token_counts = [3, 9, 5], [2, 4]
    samples: Any = SimpleNamespace(datasets=(one, two))
    assert choose_longest(samples, 3) == [(0, 1, 0), (1, 1, 0), (0, 2, 0)]
    assert len(choose_longest(samples, 9)) == 5


def test_what_is_stored_is_counted_once_and_weights_are_not():
    layer = nn.Linear(3, 5, bias=False)
    stored, inputs = StoredTensors(layer), torch.ones(2, 3)
    with torch.autograd.graph.saved_tensors_hooks(stored.add, lambda each: each):
        outputs = layer(inputs).exp()
    assert outputs.shape == (2, 5)
    # The inputs of the product, 6 numbers, and the result of exp, 10; 4 bytes each.
    assert stored.num_bytes == 64
