"""Names and rows of Gemma 3n."""

import re

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import coterie
from coterie import Mixture, TaskGate, TokenGate
from coterie.families.base import compute_sample_index
from coterie.families.gemma3n import Gemma3n
from tests.families.checks import by_role, check_names, golden, known, traced
from tests.tinies.base import TEXT
from tests.tiny import TINY
from tests.tuner.checks import IDS, TASKS, logits

LAYER = "model.language_model.layers.{}."
CONFORMER = "model.audio_tower.conformer.{}."
GATED = ("gate_proj", "up_proj", "down_proj")
ATTENTION = ("attn.q_proj", "attn.k_proj", "attn.v_proj", "post")
PROJECTIONS = r".*\.embed_(vision|audio)\.embedding_projection"


def test_names() -> None:
    starts = golden(CONFORMER + "ffw_layer_start", "ffw_layer_1", "ffw_layer_2")
    ends = golden(CONFORMER + "ffw_layer_end", "ffw_layer_1", "ffw_layer_2")
    expected = {
        "text.attn": golden(LAYER + "self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),
        "text.mlp": golden(LAYER + "mlp", *GATED),
        "audio.attn": golden(CONFORMER + "attention", *ATTENTION),
        "audio.mlp": type(starts)(*(a + b for a, b in zip(starts, ends, strict=True))),
    }
    model = TINY["gemma3n"]().model
    linears = {name for name, each in model.named_modules() if isinstance(each, torch.nn.Linear)}
    others = r"lm_head|.*(altup|laurel|per_layer|lconv1d|pos_proj|input_proj|embedding_proj).*"
    rest = {name for name in linears if re.fullmatch(others, name) or "vision_tower" in name}
    check_names(model, expected, rest)


def test_the_decoder_alone_has_the_same_roles() -> None:
    config = AutoConfig.for_model(
        "gemma3n_text", vocab_size=64, vocab_size_per_layer_input=64, head_dim=8, **TEXT,
        hidden_size_per_layer_input=8, laurel_rank=4, num_kv_shared_layers=0,
    )  # fmt: skip
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert {role: len(each.linears) for role, each in by_role(model, known(model)).items()} == {
        "text.attn": 8,
        "text.mlp": 6,
    }


def test_rows() -> None:
    # Of three pictures, the first sample has one, and of three sounds two.
    tiny = TINY["gemma3n"]()
    cases = {
        ("vision", "pixel_values"): (["model.vision_tower.embeddings"], [0, 1, 1]),
        ("audio", "input_features"): ([CONFORMER.format(0) + "attention"], [0, 0, 1]),
    }
    for (tower, name), (places, expected) in cases.items():
        shares = Gemma3n().count_rows_per_sample(tower, tiny.batch, tiny.model.config)
        owners = compute_sample_index(shares, 3)
        assert owners.tolist() == expected
        before = traced(tiny.model, tiny.batch, places)
        values = tiny.batch[name].clone()
        values[owners == 1] *= 1.5
        after = traced(tiny.model, {**tiny.batch, name: values}, places)
        for place, rows in before.items():
            changed = (rows != after[place]).flatten(1).any(1)
            assert changed.tolist() == [owner == 1 for owner in expected]


def test_embedders_take_gates_by_token_alone() -> None:
    tiny = TINY["gemma3n"]()
    model = coterie.graft(tiny.model, Mixture(at=PROJECTIONS, gate=TaskGate()), tasks=TASKS)
    with pytest.raises(ValueError, match=r"embed_.* of Gemma 3n is called twice.*use TokenGate"):
        logits(model, tiny.batch, IDS)
    model = coterie.graft(TINY["gemma3n"]().model, Mixture(at=PROJECTIONS, gate=TokenGate()))
    assert torch.isfinite(logits(model, tiny.batch, None)).all()


def test_position_embeddings_have_no_sample() -> None:
    tiny = TINY["gemma3n"]()
    mixture = Mixture(at=r".*\.pos_proj", gate=TaskGate())
    model = coterie.graft(tiny.model, mixture, tasks=TASKS)
    with pytest.raises(ValueError, match="1 rows, which 2 samples cannot own evenly"):
        logits(model, tiny.batch, IDS)


def test_towers() -> None:
    assert Gemma3n().get_tower("model.embed_vision.embedding") == "connector"
    assert Gemma3n().get_tower("embed_audio") == "audio_connector"
    assert Gemma3n().get_tower("model.audio_tower.subsample_conv_projection") == "audio"
    assert Gemma3n().get_tower("model.vision_tower.timm_model.conv_stem") == "vision"
    assert Gemma3n().get_tower("model.language_model.embed_tokens_per_layer") == "text"
