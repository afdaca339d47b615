"""Which models have a cache that rows can be joined in, and prompts that cannot begin together."""

import pytest
import torch
from transformers import Llama4TextConfig, LlamaConfig, MistralConfig, Qwen3NextConfig

from coterie import InstanceGate
from coterie.serve.join_prompts import join_prompts
from coterie.serve.prefill import (
    UnjoinableError,
    advance,
    begin,
    list_prompts,
    takes_whole_cache,
)
from coterie.serve.sampling import Sampling
from coterie.tasks.text.generation import GREEDY
from tests.serve.test_scheduler import graft, llama, make_jobs, state_space, texts


class Configured:
    """A model, of which only this is asked."""

    def __init__(self, config: object, *, supports: bool = True) -> None:
        self.config, self.supports = config, supports

    def _supports_default_dynamic_cache(self) -> bool:
        return self.supports


def test_a_whole_cache() -> None:
    assert takes_whole_cache(Configured(LlamaConfig(num_hidden_layers=2)))
    assert takes_whole_cache(Configured(MistralConfig(num_hidden_layers=2, sliding_window=4)))
    assert not takes_whole_cache(Configured(LlamaConfig(), supports=False))
    # Chunks are counted from the first place, which padding moves; states have no places.
    chunks = Llama4TextConfig(num_hidden_layers=4, attention_chunk_size=4)
    assert not takes_whole_cache(Configured(chunks))
    states = Qwen3NextConfig(num_hidden_layers=4)
    assert not takes_whole_cache(Configured(states))


def test_first_tokens_of_two_that_begin_together() -> None:
    model, prompts = graft(llama(), InstanceGate(pool="hidden")), texts(2)
    base, jobs = model.get_base_model(), make_jobs(prompts)
    begun = begin(base, join_prompts(prompts, pad=0), jobs)
    assert begun.joins and begun.rows is not None and begun.rows.jobs == jobs
    assert begun.rows.num_tokens == 10 and [job.num_tokens for job in jobs] == [6, 10]
    with torch.no_grad():
        wanted = [int(model(**each).logits[0, -1].argmax()) for each in prompts]
    assert [job.chosen[0].token for job in jobs] == wanted
    assert begun.rows.session is not None
    assert {len(each.logits) for each in begun.rows.session.cached_decisions.values()} == {2}


def test_states_of_two_prompts_cannot_be_kept_apart() -> None:
    model, prompts = graft(state_space(), InstanceGate(pool="hidden"), at=r".*out_proj"), texts(2)
    jobs = make_jobs(prompts)
    with pytest.raises(UnjoinableError):
        begin(model.get_base_model(), join_prompts(prompts, pad=0), jobs)
    assert not any(job.chosen for job in jobs)


def test_a_prompt_of_several_answers_is_run_once() -> None:
    model, prompts = graft(llama(), InstanceGate(pool="hidden")), texts(2)
    asked = [prompts[1], prompts[0], prompts[1]]
    base, jobs = model.get_base_model(), make_jobs(asked)
    for job in jobs:
        job.records_routing, job.sampling = True, Sampling(max_tokens=9)
    assert [id(each) for each in list_prompts(jobs)] == [id(prompts[1]), id(prompts[0])]
    sizes: list[int] = []
    hook = base.get_input_embeddings().register_forward_hook(
        lambda module, args, output: sizes.append(output.shape[0])
    )
    begun = begin(base, join_prompts(list_prompts(jobs), pad=0), jobs)
    hook.remove()
    assert sizes == [2]  # of three answers
    assert begun.rows is not None and begun.rows.jobs == jobs
    assert [len(job.routing) for job in jobs] == [1, 1, 1]
    with torch.no_grad():
        for _ in range(3):
            assert advance(begun.rows, begun.rows.compute_logits()) is not None
    chosen = [[each.token for each in job.chosen] for job in jobs]
    assert chosen[0] == chosen[2] and len(chosen[0]) == 4
    for prompt, found in zip(asked, chosen, strict=True):
        wanted = model.generate(**prompt, **GREEDY, max_new_tokens=4, pad_token_id=0)
        assert wanted[0, -4:].tolist() == found
