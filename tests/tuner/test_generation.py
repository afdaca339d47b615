"""`generate` beside the forward: encoders, drafts, turns of a chat, other models, pickling."""

import pickle

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    T5Config,
    T5ForConditionalGeneration,
)

import coterie
from coterie import InstanceGate, Mixture, TaskGate, TopK
from coterie.cache_argument import CACHE
from tests.tiny import TINY
from tests.tuner.checks import IDS, TASKS, awake, grafted, roles

WITH_PICTURES = [
    name
    for name in TINY
    if "vision.mlp" in roles(name) and "input_ids" in TINY[name]().batch and name != "clip"
]
FAST = {"llava", "qwen2_vl", "idefics3"}
BY_PROMPT = Mixture(at="text.mlp", gate=InstanceGate(init_std=1.0), router=TopK(k=1))


def llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, pad_token_id=0, bos_token_id=1,
        eos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def by_prompt(seed: int = 0):
    model = coterie.graft(llama(seed), BY_PROMPT)
    awake(model, seed=seed + 1, scale=0.3)
    return model.eval()


def chosen(tape: coterie.Tape) -> dict[str, list[int]]:
    return {name: routing.weights.argmax(-1).flatten().tolist() for name, routing in tape.items()}


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in WITH_PICTURES],
)
@pytest.mark.parametrize("gate", [InstanceGate(pool="hidden", init_std=1.0), TaskGate()])
def test_a_picture_is_routed_as_in_forward(family: str, gate) -> None:
    # transformers encodes the pictures of `generate` before the model's forward.
    tiny = TINY[family]()
    batch = {name: value for name, value in tiny.batch.items() if name != "labels"}

    def compare(model, **more) -> float:
        settings = {"max_new_tokens": 1, "do_sample": False, "output_logits": True}
        found = model.generate(**batch, **more, **settings, return_dict_in_generate=True)
        with torch.no_grad():
            wanted = model(**batch, **more).logits
        # Of the longest sample: the other may end in padding, whose logits mean nothing.
        longest = int(batch["attention_mask"].sum(1).argmax())
        return (found.logits[0][longest] - wanted[longest, -1]).abs().max().item()

    assert compare(tiny.model.eval()) <= 1e-5
    model = grafted(tiny, Mixture(at="vision.mlp", gate=gate, router=TopK(k=1)))
    assert compare(model, task_ids=IDS) <= 1e-5


def test_drafts_of_an_assistant_are_not_part_of_the_prompt() -> None:
    model, ids = by_prompt(), torch.randint(3, 60, (1, 7))
    settings = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False}
    mask = torch.ones_like(ids)
    wanted = model.generate(input_ids=ids, attention_mask=mask, **settings)
    found = model.generate(input_ids=ids, attention_mask=mask, assistant_model=llama(3), **settings)
    assert found.tolist() == wanted.tolist()


def test_a_grafted_assistant_drafts_for_the_same_task() -> None:
    mixture = Mixture(at="text.mlp", gate=TaskGate(), router=TopK(k=1))
    model, assistant = (coterie.graft(llama(seed), mixture, tasks=TASKS).eval() for seed in (0, 3))
    awake(model, scale=0.3)
    awake(assistant, scale=0.3)
    ids = torch.randint(3, 60, (1, 7))
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "task_ids": IDS[1:]}
    wanted = model.generate(**given, **settings)
    for helper in (assistant, assistant.get_base_model()):
        found = model.generate(**given, **settings, assistant_model=helper)
        assert found.tolist() == wanted.tolist()
    # Called by itself, it has none.
    with pytest.raises(ValueError, match="the batch has no task ids"):
        assistant.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)


def test_the_next_turn_of_a_chat_keeps_the_decision_of_the_first() -> None:
    model, ids = by_prompt(), torch.randint(3, 60, (1, 7))
    settings = {"max_new_tokens": 3, "do_sample": False, "return_dict_in_generate": True}
    with coterie.observe(model) as first:
        turn = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
    more = torch.cat([turn.sequences, torch.randint(3, 60, (1, 5))], 1)
    mask = torch.ones_like(more)
    with coterie.observe(model) as second:
        model.generate(input_ids=more, attention_mask=mask, **{CACHE: turn[CACHE]}, **settings)
    assert chosen(second) == chosen(first)


def test_another_model_called_meanwhile_decides_for_itself() -> None:
    one, other, ids = by_prompt(0), by_prompt(5), torch.randint(3, 60, (2, 6))
    with torch.no_grad():
        alone = other(input_ids=ids[:, :4]).logits
    inside = []

    class Reward(LogitsProcessor):
        def __call__(self, input_ids, scores):
            inside.append(other(input_ids=ids[:, :4]).logits)
            return scores

    one.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=2, do_sample=False,
        logits_processor=LogitsProcessorList([Reward()]),
    )  # fmt: skip
    assert len(inside) == 2 and all(each.equal(alone) for each in inside)


def test_an_encoder_decoder_generates_as_whole_forwards_do() -> None:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, pad_token_id=0,
        decoder_start_token_id=0, eos_token_id=63,
    )  # fmt: skip
    at = r"(encoder|decoder)\.block\.\d\.layer\.\d\.DenseReluDense\.w[io]"
    base = T5ForConditionalGeneration(config)
    model = coterie.graft(base, Mixture(at=at, gate=TaskGate(), router=TopK(k=1)), tasks=TASKS)
    awake(model, scale=0.3)
    model.eval()
    ids = torch.randint(3, 60, (2, 7))
    mask = torch.ones_like(ids)
    found = model.generate(
        input_ids=ids, attention_mask=mask, task_ids=IDS, max_new_tokens=4, min_new_tokens=4,
        do_sample=False, num_beams=1,
    )  # fmt: skip
    decoded = torch.zeros(2, 1, dtype=torch.int64)
    with torch.no_grad():
        for _ in range(4):
            logits = model(input_ids=ids, decoder_input_ids=decoded, task_ids=IDS).logits[:, -1]
            logits[:, 63] = -torch.inf  # min_new_tokens
            decoded = torch.cat([decoded, logits.argmax(-1, keepdim=True)], 1)
    assert found.tolist() == decoded.tolist()
    beams = model.generate(
        input_ids=ids, attention_mask=mask, task_ids=IDS, max_new_tokens=3, num_beams=3,
        do_sample=False,
    )  # fmt: skip
    assert beams.shape[0] == 2


def test_a_whole_model_is_pickled() -> None:
    model, ids = by_prompt(), torch.randint(3, 60, (1, 6))
    again = pickle.loads(pickle.dumps(model))
    settings = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 4, "do_sample": False}
    assert again.generate(input_ids=ids, **settings).equal(
        model.generate(input_ids=ids, **settings)
    )
    # The copy's `generate` is its own.
    assert again.get_base_model().generate.args == (again.get_base_model(),)


@pytest.mark.parametrize("gate", [TaskGate(), InstanceGate()])
def test_continuous_batching_refuses_what_decides_by_task_or_prompt(gate) -> None:
    # transformers runs it in a thread, which would log the error and return empty answers.
    model = coterie.graft(llama(), Mixture(at="text.mlp", gate=gate), tasks=TASKS)
    with pytest.raises(ValueError, match=rf"a {type(gate).__name__} decides .*: use generate\(\)"):
        model.generate_batch(inputs=[[3, 4, 5]])
    with model.disable_adapter():
        assert model.init_continuous_batching() is not None


def test_packing_that_positions_tell_of_is_refused() -> None:
    model, ids = by_prompt(), torch.randint(3, 60, (1, 8))
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3]])
    with pytest.raises(ValueError, match=r"packs several samples into one row \(position_ids\)"):
        model(input_ids=ids, position_ids=positions, use_cache=False)
    # Padding on the left has places, too: those of transformers are 1 for it.
    padded = torch.tensor([[1, 1, 0, 1, 2, 3, 4, 5]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1]])
    model(input_ids=ids, attention_mask=mask, position_ids=padded)
