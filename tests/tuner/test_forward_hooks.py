"""`generate` of grafted models: decisions of the prompt, tasks, padding, beams, caches."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
from coterie import InstanceGate, Lora, Mixture, ModalityGate, Softmax, TaskGate, TopK
from coterie.cache_argument import CACHE
from tests.tuner.checks import TASKS, awake

LONG, SHORT, PAD = 9, 5, 0
MIXTURES = {
    "instance": Mixture(at="text.mlp", gate=InstanceGate(init_std=1.0), router=TopK(k=1)),
    "hidden": Mixture(
        at="text.attn", gate=InstanceGate(pool="hidden", tie="block"), router=Softmax()
    ),
    "tied": Mixture(at="text.mlp", gate=InstanceGate(tie="model", init_std=1.0), router=Softmax()),
    "noisy": Mixture(
        at="text.mlp",
        gate=InstanceGate(init_std=1.0),
        router=TopK(k=1, noise=5.0),
        shared=Lora(ranks=(4,)),
        blend="complement",
    ),
    "token": Mixture(at="text.mlp"),
    "task": Mixture(at="text.mlp", gate=TaskGate()),
    "whole task": Mixture(at="text.mlp", gate=TaskGate(per_token=False), router=Softmax()),
    "modality": Mixture(at="text.mlp", gate=ModalityGate()),
}
BY_PROMPT = ["instance", "hidden", "tied", "noisy"]
WAYS = {
    "greedy": {},
    "beams": {"num_beams": 3},
    "no cache": {"use_cache": False},
    "static cache": {"cache_implementation": "static", "disable_compile": True},
    "static cache and beams": {
        "cache_implementation": "static", "disable_compile": True, "num_beams": 2
    },
}  # fmt: skip
# Every gate in the plainest and the hardest way, and one by prompt, one by token and one by task in
# every way; `make test-slow` has the others.
FAST = {
    *((name, way) for name in MIXTURES for way in ("greedy", "static cache and beams")),
    *((name, way) for name in ("instance", "token", "task") for way in WAYS),
}


def model_of(name):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, pad_token_id=PAD,
        bos_token_id=1, eos_token_id=None,
    )  # fmt: skip
    model = coterie.graft(LlamaForCausalLM(config), MIXTURES[name], tasks=TASKS)
    awake(model, scale=0.3)
    return model.eval()


def prompts():
    """Two prompts, one of them padded on the left, and what belongs to each alone."""
    long, short = torch.randint(3, 60, (1, LONG)), torch.randint(3, 60, (1, SHORT))
    padding = torch.full((1, LONG - SHORT), PAD)
    ids = torch.cat([long, torch.cat([padding, short], 1)])
    return ids, (ids != PAD).long(), [long, short]


def answer(model, ids, mask, tasks, **options):
    settings = dict(max_new_tokens=6, do_sample=False, task_ids=tasks) | options
    out = model.generate(input_ids=ids, attention_mask=mask, **settings)
    return out[:, ids.shape[1] :]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(name, way, marks=() if (name, way) in FAST else pytest.mark.slow)
        for way in WAYS
        for name in MIXTURES
    ],
)
def test_a_left_padded_batch_equals_single_prompts(name, way):
    model, options = model_of(name), WAYS[way]
    ids, mask, alone = prompts()
    tasks = torch.tensor([0, 1])
    together = answer(model, ids, mask, tasks, **options)
    for row, prompt in enumerate(alone):
        single = answer(model, prompt, torch.ones_like(prompt), tasks[row : row + 1], **options)
        assert torch.equal(together[row : row + 1], single)


@pytest.mark.parametrize("name", BY_PROMPT)
def test_the_decision_is_the_prompt_s_for_every_new_token(name):
    model = model_of(name)
    ids, mask, _ = prompts()
    with coterie.observe(model) as tape, torch.no_grad():
        model(input_ids=ids, attention_mask=mask)
    decided = {layer: routing.logits for layer, routing in tape.items()}
    seen = []
    for each in model.modules():
        if type(each).__name__ == "LlamaModel":
            each.register_forward_hook(lambda *_: seen.append(dict(tape)))
    with coterie.observe(model) as tape:
        answer(model, ids, mask, None)
    assert len(seen) == 6
    for step in seen:
        for layer, routing in step.items():
            torch.testing.assert_close(routing.logits, decided[layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", BY_PROMPT)
def test_a_cache_passed_by_hand_carries_the_decision(name):
    model = model_of(name)
    ids, mask, _ = prompts()
    wanted = answer(model, ids, mask, None, max_new_tokens=2)
    with torch.no_grad():
        first = model(input_ids=ids, attention_mask=mask, use_cache=True)
        token = first.logits[:, -1:].argmax(-1)
        mask = torch.cat([mask, torch.ones_like(token)], 1)
        second = model(input_ids=token, attention_mask=mask, **{CACHE: first[CACHE]})
    assert torch.equal(torch.cat([token, second.logits[:, -1:].argmax(-1)], 1), wanted)


def test_a_cache_without_a_decision_is_refused():
    model = model_of("instance")
    ids, mask, _ = prompts()
    with torch.no_grad(), model.disable_adapter():
        cache = model(input_ids=ids, attention_mask=mask, use_cache=True)[CACHE]
    with pytest.raises(ValueError, match="holds no decision"):
        model(input_ids=ids[:, :1], **{CACHE: cache})


def test_sampling_with_several_answers_a_prompt():
    model = model_of("instance")
    ids, mask, _ = prompts()
    out = answer(model, ids, mask, torch.tensor([0, 1]), do_sample=True, num_return_sequences=2)
    assert out.shape == (4, 6)


def test_prompt_lookup_decoding_gives_the_same_answer():
    model = model_of("instance")
    _, _, alone = prompts()
    wanted = answer(model, alone[0], torch.ones_like(alone[0]), None)
    got = answer(model, alone[0], torch.ones_like(alone[0]), None, prompt_lookup_num_tokens=2)
    assert torch.equal(got, wanted)


def test_chunked_prefill_is_refused():
    model = model_of("instance")
    ids, mask, _ = prompts()
    with pytest.raises(ValueError, match="prefill_chunk_size=4"):
        answer(model, ids, mask, None, prefill_chunk_size=4)


def test_the_task_changes_the_answer_and_is_required():
    model = model_of("whole task")
    ids, mask, _ = prompts()
    first = answer(model, ids, mask, torch.tensor([0, 0]))
    assert not torch.equal(first, answer(model, ids, mask, torch.tensor([1, 1])))
    with pytest.raises(ValueError, match="pass task_ids="):
        answer(model, ids, mask, None)


def test_packed_samples_are_refused_where_the_prompt_decides():
    ids, _, _ = prompts()
    with pytest.raises(ValueError, match="cu_seq_lens_q"):
        model_of("instance")(input_ids=ids, cu_seq_lens_q=torch.tensor([0, 4, 9]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_gate_averages_the_users_turns_alone(side):
    model = model_of("instance")
    ids = torch.randint(1, 64, (2, LONG), generator=torch.Generator().manual_seed(3))
    attended = torch.ones_like(ids)
    attended[1, : LONG - SHORT] = 0
    if side == "right":
        attended = attended.flip(1)
    # of the long prompt tokens 3 to 5; of the short one, none is said to be the user's: all count
    turns = torch.zeros_like(ids)
    turns[0, 3:6] = 1
    wanted = torch.where(turns.any(1, keepdim=True), turns, attended).bool()
    given = dict(input_ids=ids, attention_mask=attended)
    with torch.no_grad():
        found = model(**given, instruction_mask=turns).logits
        whole = model(**given).logits
        assert (found - whole)[0].abs().max() > 1e-3
        torch.testing.assert_close(found, model(**given, prompt_mask=wanted).logits)
    if side == "left":
        settings = dict(max_new_tokens=1, do_sample=False, output_logits=True,
                        return_dict_in_generate=True, num_beams=1)  # fmt: skip
        (first,) = model.generate(**given, instruction_mask=turns, **settings).logits
        torch.testing.assert_close(first, found[:, -1])
        beams = model.generate(**given, instruction_mask=turns, num_beams=2, max_new_tokens=2)
        assert beams.shape == (2, LONG + 2)


def test_one_span_a_model():
    mixtures = [
        Mixture(at=f"text.{part}", gate=InstanceGate(span=span))
        for part, span in (("mlp", "prompt"), ("attn", "text"))
    ]
    config = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                         num_attention_heads=4, pad_token_id=PAD)  # fmt: skip
    with pytest.raises(ValueError, match="'prompt' and 'text' in one model"):
        coterie.graft(LlamaForCausalLM(config), mixtures)


def test_a_mask_of_other_tokens_is_refused():
    model = model_of("instance")
    with pytest.raises(ValueError, match=r"instruction_mask is \(2, 9\) for tokens of \(2, 5\)"):
        model(input_ids=torch.ones(2, SHORT).long(), instruction_mask=torch.ones(2, LONG))
