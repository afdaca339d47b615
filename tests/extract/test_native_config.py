"""The native class's configuration, and base models that have none."""

import pytest
from transformers import LlamaConfig, MistralConfig, MixtralConfig, Qwen2Config, Qwen2MoeConfig

from coterie.extract.native_config import UNUSED_WIDTH, make_config
from coterie.extract.native_mixture import NativeMixture, NativeSettings, make_native_mixture
from coterie.tuner.layer import CoterieLayer
from tests.extract.copies_models import grafted

A, B = "model.layers.0.mlp", "model.layers.1.mlp"
SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}


@pytest.fixture(scope="module")
def mixture() -> NativeMixture:
    layer = next(each for each in grafted().modules() if isinstance(each, CoterieLayer))
    return make_native_mixture(layer, "default", None)


def test_weights(mixture: NativeMixture) -> None:
    assert mixture.settings == NativeSettings(
        experts=3, active=2, width=64, shared_width=0, sums_to_one=True
    )
    assert mixture.router.shape == (3, 32) and mixture.routed["down_proj"].shape == (3, 32, 64)


def test_mixtral_where_it_fits(mixture: NativeMixture) -> None:
    every = {A: mixture, B: mixture}
    found = make_config(MistralConfig(sliding_window=7, rope_theta=5e5, **SIZES), every)
    assert isinstance(found, MixtralConfig) and found.sliding_window == 7
    assert found.rope_parameters["rope_theta"] == 5e5 and found.intermediate_size == 64


def test_qwen2_moe_where_it_does_not(mixture: NativeMixture) -> None:
    found = make_config(LlamaConfig(**SIZES), {A: mixture})
    assert isinstance(found, Qwen2MoeConfig) and found.mlp_only_layers == [1]
    assert found.norm_topk_prob and not found.qkv_bias
    assert found.shared_expert_intermediate_size == UNUSED_WIDTH
    found = make_config(Qwen2Config(**SIZES), {A: mixture, B: mixture})
    assert isinstance(found, Qwen2MoeConfig) and found.qkv_bias


def test_no_class(mixture: NativeMixture) -> None:
    with pytest.raises(ValueError, match="no class has heads of 16"):
        make_config(LlamaConfig(head_dim=16, **SIZES), {A: mixture})
    with pytest.raises(ValueError, match="no class has this sliding window"):
        make_config(MistralConfig(sliding_window=7, **SIZES), {A: mixture})
