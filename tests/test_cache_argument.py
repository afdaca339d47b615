"""The name of the cache's argument, in the installed transformers and before it."""

from transformers import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

from coterie.cache_argument import CACHE, find_cache


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
