"""Names in llama-like decoders."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from coterie.families.llama import Llama
from tests.families.checks import by_role, check_names, golden, known
from tests.tinies.base import TEXT
from tests.tiny import TINY

GOLDEN = {
    "text.attn": golden("model.layers.{}.self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
    "text.mlp": golden("model.layers.{}.mlp", "gate_proj", "up_proj", "down_proj"),
}


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_names(family: str) -> None:
    check_names(TINY[family]().model, GOLDEN, {"lm_head"})


@pytest.mark.parametrize("model_type", Llama.model_types)
def test_every_layer_of_every_model_type_has_a_role(model_type: str) -> None:
    config = AutoConfig.for_model(model_type, vocab_size=64, head_dim=8, **TEXT)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    found = by_role(model, known(model))
    assert [len(names.blocks) for names in found.values()] == [2, 2]
    linears = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    taken = {name for names in found.values() for name in names.linears}
    assert linears - taken == {"lm_head"}


def test_fused_names() -> None:
    config = AutoConfig.for_model("phi3", vocab_size=64, **TEXT)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    expected = {
        "text.attn": golden("model.layers.{}.self_attn", "qkv_proj", "o_proj"),
        "text.mlp": golden("model.layers.{}.mlp", "gate_up_proj", "down_proj"),
    }
    check_names(model, expected, {"lm_head"})


def test_everything_is_text() -> None:
    assert {Llama().get_tower(name) for name in ("", "lm_head", "model.norm")} == {"text"}
    assert Llama().get_placeholder_ids(None) == {}
