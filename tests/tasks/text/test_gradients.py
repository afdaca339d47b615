"""A probe that leaves no trace."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

import coterie
from coterie.tasks.gradients import find_adapter_parameters
from coterie.tasks.text.gradients import NAME, probe_lora, supports_probe
from tests.tinies.text import llama

AT = ("text.attn", "text.mlp")


def state(model: nn.Module) -> dict[str, Any]:
    """Everything of a model that a probe might leave changed, but for the weights."""
    return {
        "modules": [(name, type(module), module.training) for name, module in
                    model.named_modules()],
        "flags": [(name, each.requires_grad, each.grad is None) for name, each in
                  model.named_parameters()],
        "hooks": [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in
                  model.modules()],
        "own": [sorted(vars(each)) for each in model.modules()],
    }  # fmt: skip


def weights(model: nn.Module) -> Mapping[str, Tensor]:
    return {name: each.clone() for name, each in model.state_dict().items()}


def assert_untouched(model: PreTrainedModel | PeftModel) -> None:
    told, held, drawn = state(model), weights(model), torch.get_rng_state()
    with probe_lora(model, AT, seed=0) as (grafted, named):
        assert len(named) == 14 and all(each.requires_grad for each in named.values())
        assert not grafted.training and (state(model) != told or grafted is not model)
    assert state(model) == told and torch.equal(torch.get_rng_state(), drawn)
    assert held.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in held.items())
    with pytest.raises(KeyError), probe_lora(model, AT, seed=0):
        raise KeyError
    assert state(model) == told


def test_a_host_is_left_as_it_was() -> None:
    model = llama().model
    model.train()
    model.get_input_embeddings().requires_grad_(False)
    assert_untouched(model)
    # And can be grafted as if nothing had been.
    assert len(coterie.graft(model, coterie.Mixture()).peft_config) == 1


def test_a_grafted_model_is_left_as_it_was() -> None:
    model = coterie.graft(llama().model, coterie.Mixture(experts=coterie.Lora(ranks=(2, 2))))
    assert supports_probe(model)
    assert_untouched(model)


def test_it_changes_no_output_and_its_gradient_is_the_hosts_projected() -> None:
    tiny = llama()
    name = "model.layers.1.mlp.up_proj"
    host = tiny.model.get_submodule(name)
    plain = tiny.model(**tiny.batch)
    plain.loss.backward()
    assert host.weight.grad is not None
    with probe_lora(tiny.model, AT, seed=0) as (model, named):
        output = model(**tiny.batch)
        up = named[f"{name}.up"]
        (found,) = torch.autograd.grad(output.loss, [up])
        down = model.get_submodule(f"base_model.model.{name}.coterie_experts.{NAME}").down
        # alpha is the rank: the scale is 1.
        wanted = host.weight.grad @ down.t()
    assert torch.equal(output.logits, plain.logits)
    assert torch.allclose(found.t(), wanted, atol=1e-6)


def test_where_experts_replace_blocks_there_is_no_room() -> None:
    mixture = coterie.Mixture(experts=coterie.Copies(count=2))
    model = coterie.graft(llama().model, mixture)
    assert not supports_probe(model)
    assert len(find_adapter_parameters(model, "default")) > 0


def test_an_unknown_role_is_told_and_nothing_is_touched() -> None:
    model = llama().model
    told = state(model)
    with (
        pytest.raises(ValueError, match=r"at='vision\.attn'"),
        probe_lora(model, ("vision.attn",), seed=0),
    ):
        pass
    assert state(model) == told
