"""What kinds of experts answer by default: names, sizes, rows and copies."""

import pytest
import torch

import coterie
from coterie import AttentionHeads, Copies, Lora, Mixture, Null
from coterie.experts.base import ExpertLayer, set_dispatcher
from coterie.kernels.dispatch import LOCAL, LocalDispatcher
from tests.tinies.text import llama


def test_names() -> None:
    assert Lora(ranks=(2, 16)).get_names() == ["rank 2", "rank 16"]
    assert Copies(count=2).get_names() == ["copies 1", "copies 2"]
    assert AttentionHeads(count=2).get_names() == ["attention 1", "attention 2"]
    assert Null().get_names() == ["null 1"]


def test_a_single_expert_of_each_kind() -> None:
    assert Lora(ranks=(3, 5), alpha=8.0).make_single() == Lora(ranks=(3,), alpha=8.0)
    assert Copies(count=3, rank=2).make_single() == Copies(count=1, rank=2)


def test_rows_of_the_shared_expert_are_the_last() -> None:
    lora, shared = Lora(ranks=(1, 2)), Lora(ranks=(4,))
    layer = lora.build(torch.nn.Linear(3, 5), shared)
    # Of 1 + 2 + 4 rows, those from the third on.
    assert lora.find_shared_rows(layer, shared) == {"down": slice(3, None), "up": slice(3, None)}
    # A rank has 3 + 5 numbers.
    assert lora.count_parameters(layer, shared) == [8, 16]


def test_copies_of_one_weight() -> None:
    kind, weight = Copies(count=3), torch.arange(4.0).view(1, 4)
    assert kind.repeat_weight(weight, (1, 4)) is weight
    assert kind.repeat_weight(weight, (3, 4)).tolist() == [[0, 1, 2, 3]] * 3
    with pytest.raises(ValueError, match=r"copies of \(1, 4\) do not make \(3, 5\)"):
        kind.repeat_weight(weight, (3, 5))


def test_unequal_ranks_cannot_be_copies() -> None:
    assert Copies().find_copy_problem(Copies(count=1)) is None
    assert Lora(ranks=(2, 2)).find_copy_problem(None) is None
    assert Lora(ranks=(2, 2)).find_copy_problem(Lora(ranks=(2,))) is None
    assert "[2, 4]" in str(Lora(ranks=(2, 2)).find_copy_problem(Lora(ranks=(4,))))


def test_low_rank_factors() -> None:
    lora = Lora(ranks=(1, 2), alpha=4.0)
    layer = lora.build(torch.nn.Linear(3, 5), Lora(ranks=(4,), alpha=2.0))
    factors = lora.get_low_rank_factors(layer)
    assert factors.ranks == (1, 2, 4) and factors.scales == (4, 2, 0.5)
    assert factors.down is layer.down and factors.up is layer.up
    assert not Copies.is_low_rank
    with pytest.raises(NotImplementedError, match="Copies experts are no low-rank changes"):
        Copies().get_low_rank_factors(layer)


def test_a_model_s_dispatcher() -> None:
    model = coterie.graft(llama().model, Mixture(at="text.mlp"))
    layers = [each for each in model.modules() if isinstance(each, ExpertLayer)]
    assert {each.dispatcher for each in layers} == {LOCAL}
    other = LocalDispatcher()
    set_dispatcher(model, other)
    assert {each.dispatcher for each in layers} == {other}
