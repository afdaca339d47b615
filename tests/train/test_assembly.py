import pytest
import torch
from torch import Tensor, nn

import coterie
from coterie import Copies, Lora, Mixture, TokenGate, TopK
from coterie.experts.weight_change import WeightChange
from coterie.train.assembly import assemble, merge_base_weights
from coterie.train.expert_sources import ExpertSource
from tests.tinies.text import llama

PLACE = "model.layers.{}.mlp"


def source(name: str, value: float, layers: tuple[int, ...] = (0, 1), **weights: Tensor):
    """A model whose down_proj has `value` more in its first weight."""
    matrix = torch.zeros(32, 64)
    matrix[0, 0] = value
    change = WeightChange.from_matrix(matrix)
    changes = {f"{PLACE.format(layer)}.down_proj": change for layer in layers}
    return ExpertSource(name=name, changes=changes, base_weights=weights)


def grafted(kind: Copies | Lora):
    mixture = Mixture(at="text.mlp", experts=kind, gate=TokenGate(), router=TopK(k=1))
    return coterie.graft(llama().model, mixture)


def test_experts_take_sources_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    model = grafted(Copies(count=3))
    layer = model.get_submodule(f"base_model.model.{PLACE.format(1)}")
    before = layer.get_base_layer().down_proj.weight
    assemble(model, [source("a", 1.0), source("b", 2.0, (0, 1))])
    weights = layer.coterie_experts["default"].down_proj__weight
    # a, b and a again: 1, 2 and 1 more than the base model's.
    torch.testing.assert_close((weights - before)[:, 0, 0], torch.tensor([1.0, 2.0, 1.0]))
    assert not (weights - before)[:, 1:].any()
    assert "expert 2 starts from b: " in capsys.readouterr().err


def test_what_is_not_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    given = source("a", 1.0)
    other = {"model.layers.0.self_attn.q_proj": given.changes[f"{PLACE.format(0)}.down_proj"]}
    both = ExpertSource(name="a", changes={**given.changes, **other}, notes=("3 more",))
    assemble(grafted(Copies(count=2)), [both])
    told = capsys.readouterr().err
    assert "not taken from a: 1 changes of modules without experts, such as model.layers.0" in told
    assert "a: 3 more" in told
    with pytest.raises(ValueError, match=r"a changed no module that has experts; it changed model"):
        assemble(grafted(Copies(count=2)), [ExpertSource(name="a", changes=other)])
    with pytest.raises(
        ValueError, match=r"a, model.*Lora experts cannot start from trained models"
    ):
        assemble(grafted(Lora(ranks=(2, 2))), [given])


def test_base_weights_of_one_are_taken_and_of_several_averaged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = nn.Module()
    model.one, model.two = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    a = source("a", 1.0, one=torch.tensor([1.0, 2.0]), two=torch.tensor([2.0, 0.0]))
    # b did not train `one`, which is as the model has it.
    b = source("b", 1.0, one=torch.zeros(2), two=torch.tensor([4.0, 2.0]))
    assert merge_base_weights(model, [a, b]) == ["one", "two"]
    assert model.one.tolist() == [1.0, 2.0]
    assert model.two.tolist() == [3.0, 1.0]  # (2 + 4) / 2, (0 + 2) / 2
    told = capsys.readouterr().err
    assert "1 weights of the base model were trained by several" in told and "mean: two" in told
