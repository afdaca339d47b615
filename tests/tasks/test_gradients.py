"""Parameters by layer group, gradients as folded vectors, and batches of equal size."""

import re

import pytest
import torch
from torch import nn

from coterie.tasks import gradients
from coterie.tasks.gradients import ParameterSpace, group_parameters, split_into_batches


def parameters(*values: float) -> dict[str, nn.Parameter]:
    return {f"h.{i}.up": nn.Parameter(torch.tensor([value])) for i, value in enumerate(values)}


def test_layers_are_grouped_by_tower() -> None:
    def tower(name: str) -> str:
        return name.partition("_")[0]

    text = {f"text_layers.{i}.up": nn.Parameter(torch.zeros(1)) for i in range(7)}
    other = {
        "vision_blocks.3.up": nn.Parameter(torch.zeros(1)),
        "connector_map.up": nn.Parameter(torch.zeros(1)),
    }
    found = group_parameters(text | other, tower)
    # Seven layers in groups of two.
    names = ["connector", "layers 0-1", "layers 2-3", "layers 4-5", "layer 6", "vision layer 3"]
    assert list(found.groups) == names
    assert list(found.groups["layers 2-3"]) == ["text_layers.2.up", "text_layers.3.up"]


def test_folding_keeps_inner_products(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {name: nn.Parameter(torch.zeros(30000)) for name in ("a", "b")}
    torch.manual_seed(0)
    first = [torch.randn(30000) for _ in named]
    second = [0.6 * one + 0.8 * torch.randn(30000) for one in first]
    whole = ParameterSpace({"all": named})
    exact = [torch.cat(each) for each in (first, second)]
    assert torch.equal(whole.flatten_gradients(first)[0], exact[0])
    monkeypatch.setattr(gradients, "MAX_GRADIENT_ELEMENTS", 4096)
    one, other = (whole.flatten_gradients(each)[0] for each in (first, second))
    assert len(one) == 4096 and torch.equal(one, whole.flatten_gradients(first)[0])
    # Off by about 1 / sqrt(4096) = 0.016.
    assert torch.cosine_similarity(one, other, 0) == pytest.approx(0.6, abs=0.05)
    assert torch.cosine_similarity(one, one, 0) == pytest.approx(1)


def test_a_missing_gradient_counts_as_zero() -> None:
    named = parameters(1.0, 2.0)
    assert ParameterSpace({"all": named}).flatten_gradients([None, torch.tensor([5.0])])[
        0
    ].tolist() == [0, 5]


def test_batches_are_of_the_first_samples() -> None:
    # 3 batches of 2 need 6 of the 7 indices.
    order = [6, 2, 0, 4, 1, 5, 3]
    assert split_into_batches(order, 3, 2, task="a", has="rows") == [[6, 2], [0, 4], [1, 5]]


def test_batches_are_smaller_where_samples_are_few() -> None:
    # 5 samples in 2 batches are 2 each; the fifth is left out.
    assert split_into_batches([4, 3, 2, 1, 0], 2, 8, task="a", has="rows") == [[4, 3], [2, 1]]


def test_fewer_samples_than_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("task 'a' has 1 rows: 2 batches of")):
        split_into_batches([0], 2, 8, task="a", has="rows")
