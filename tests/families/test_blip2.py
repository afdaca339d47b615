"""Names and rows of BLIP-2 and InstructBLIP."""

import re

import pytest
import torch
from torch import nn
from transformers import AutoConfig, Blip2ForConditionalGeneration

import coterie
from coterie import InstanceGate, Mixture
from coterie.families.blip2 import Blip2, InstructBlip
from tests.families.checks import Names, by_role, check_names, check_rows, golden, known, ordered
from tests.tinies.base import VISION
from tests.tiny import TINY
from tests.tuner.checks import logits

VISUAL = "vision_model.encoder.layers.{}."
QUERY = "qformer.encoder.layer.{}."
ATTENTION = ("attention.query", "attention.key", "attention.value", "output.dense")


def connector(*blocks: str) -> Names:
    """These attentions of the Q-Former, its MLPs of queries, and the linear map."""
    linears = [f"qformer.encoder.layer.{block}.{name}" for block in blocks for name in ATTENTION]
    mlps = [QUERY.format(layer) + name for layer in (0, 1) for name in ("intermediate", "output")]
    linears += [f"{mlp}_query.dense" for mlp in mlps]
    blocks = tuple(QUERY.format(layer) + "intermediate_query" for layer in (0, 1))
    return Names(list(blocks), [*linears, "language_projection"])


TOWER = {
    "vision.attn": golden(VISUAL + "self_attn", "qkv", "projection"),
    "vision.mlp": golden(VISUAL + "mlp", "fc1", "fc2"),
}
OPT = "language_model.model.decoder.layers.{}."
LLAMA = "language_model.model.layers.{}."
GOLDEN = {
    "blip_2": {
        **TOWER,
        "text.attn": golden(OPT + "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
        "text.mlp": Names(
            [], [OPT.format(layer) + name for layer in (0, 1) for name in ("fc1", "fc2")]
        ),
        "connector": connector("0.attention", "0.crossattention", "1.attention"),
    },
    "instructblip": {
        **TOWER,
        "text.attn": golden(LLAMA + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
        "text.mlp": golden(LLAMA + "mlp", "gate_proj", "up_proj", "down_proj"),
        "connector": connector("0.crossattention"),
    },
}


@pytest.mark.parametrize("family", GOLDEN)
def test_names(family: str) -> None:
    model = TINY[family]().model
    reads_prompt = re.compile(r"qformer\.encoder\.layer\.\d\.(attention|intermediate|output)\..*")
    rest = {name for name, _ in model.named_modules() if reads_prompt.fullmatch(name)}
    rest = {name for name in rest if isinstance(model.get_submodule(name), nn.Linear)}
    assert len(rest) == {"blip_2": 8, "instructblip": 12}[family]
    rest = rest if family == "instructblip" else set()
    check_names(model, GOLDEN[family], {"language_model.lm_head", *rest})


def test_names_in_both_halves_of_t5() -> None:
    half = {"vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
    config = AutoConfig.for_model(
        "blip-2",
        vision_config=VISION,
        qformer_config={"num_hidden_layers": 1, "vocab_size": 64},
        text_config={"model_type": "t5", "feed_forward_proj": "gated-gelu", **half},
    )
    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(config)
    found = by_role(model, known(model))
    blocks = {"encoder": ["SelfAttention"], "decoder": ["SelfAttention", "EncDecAttention"]}
    places = [
        f"language_model.{part}.block.0.layer.{{}}.{kind}".format(layer)
        for part, kinds in blocks.items()
        for layer, kind in enumerate(kinds)
    ]
    attention = Names(places, [f"{place}.{name}" for place in places for name in "qkvo"])
    places = [f"language_model.{part}.block.0.layer.{len(kinds)}.DenseReluDense"
              for part, kinds in blocks.items()]  # fmt: skip
    mlp = Names(places, [f"{place}.{name}" for place in places for name in ("wi_0", "wi_1", "wo")])
    expected = ordered({"text.attn": attention, "text.mlp": mlp})
    assert {role: found[role] for role in expected} == expected


@pytest.mark.parametrize("family", GOLDEN)
def test_rows(family: str) -> None:
    names = [VISUAL.format(0) + "self_attn", QUERY.format(0) + "intermediate_query"]
    check_rows(TINY[family](), [*names, "language_projection"], [slice(0, 1), slice(1, 3)])


def test_towers() -> None:
    assert Blip2().get_tower("qformer.layernorm") == "connector"
    assert Blip2().get_tower("language_projection") == "connector"
    assert Blip2().get_tower("vision_model.post_layernorm") == "vision"
    assert Blip2().get_tower("language_model.lm_head") == "text"
    attention = "qformer.encoder.layer.0.attention.attention.key"
    assert Blip2().get_tower(attention) == "connector"
    assert InstructBlip().get_tower(attention) == "qformer_prompt"
    assert InstructBlip().get_tower("qformer.encoder.layer.0.crossattention") == "connector"


def test_a_decision_by_sample_where_the_prompt_is_padded_is_refused() -> None:
    tiny = TINY["instructblip"]()
    gate = InstanceGate(pool="hidden")
    model = coterie.graft(tiny.model, Mixture(at=r"qformer.*\.attention\.key", gate=gate))
    with pytest.raises(ValueError, match="3 rows, which 2 samples cannot own evenly"):
        logits(model, tiny.batch, None)
