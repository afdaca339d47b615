"""The name of the cache's argument, in the installed transformers and before it."""

import torch
from transformers import DynamicCache, MambaConfig, MambaForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from coterie.cache_argument import CACHE, find_cache, is_filled


def test_outputs_have_the_name() -> None:
    cache = DynamicCache()
    assert getattr(CausalLMOutputWithPast(**{CACHE: cache}), CACHE) is cache


def test_the_cache_is_found_under_each_of_its_names() -> None:
    cache = DynamicCache()  # it has no layers yet, which makes it false
    assert not cache.layers
    assert find_cache({"input_ids": None, "past_key_values": cache}) is cache
    assert find_cache({"cache": cache}) is cache
    assert find_cache({"cache": None, "past_key_values": cache}) is cache
    assert find_cache({"input_ids": None}) is None


def test_a_cache_of_tokens_is_filled_by_a_pass() -> None:
    cache = DynamicCache()
    assert not is_filled(None) and not is_filled(cache)
    cache.update(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), 0)
    assert is_filled(cache)


def test_a_cache_of_states_is_filled_by_a_pass() -> None:
    config = MambaConfig(vocab_size=8, hidden_size=8, state_size=4, num_hidden_layers=2)
    cache = DynamicCache(config=config)
    assert not is_filled(cache)
    model = MambaForCausalLM(config).eval()
    left = dict(model(torch.tensor([[1, 2]]), use_cache=True))
    assert is_filled(left.get("cache_params", left.get("cache")))  # before 5.24, and since
