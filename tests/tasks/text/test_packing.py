"""Packed batches: their rows, and that models and routing see the same samples as without."""

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

import coterie
from coterie import (
    Copies,
    Importance,
    InstanceGate,
    LoadBalance,
    Lora,
    Mixture,
    MutualInformation,
    Softmax,
    TaskGate,
    TopK,
)
from coterie.tasks.text.batches import compute_token_losses
from coterie.tasks.text.packing import PackedCollator, check_packing, pack, split_into_rows
from tests.tinies.omni import omni_model, omni_processor
from tests.tiny import TINY
from tests.tuner.checks import gradients, grafted, same

IGNORED = -100
LENGTHS, PROMPTS, TASKS = (5, 7, 4, 6, 3), (3, 4, 2, 1, 2), (0, 1, 1, 0, 1)
"""Packed by 12: rows of 5 + 7, 4 + 6 (and 2 of padding), 3 (and 9)."""
MIXTURES = {
    "token": Mixture(experts=Lora(ranks=(2, 3)), router=TopK(k=1)),
    "task": Mixture(experts=Lora(ranks=(2, 3)), gate=TaskGate(), router=Softmax()),
    "static": Mixture(gate=TaskGate(per_token=False), router=Softmax()),
    "prompt": Mixture(gate=InstanceGate(tie="block"), router=TopK(k=1)),
    "hidden": Mixture(at="text.attn", gate=InstanceGate(pool="hidden"), router=Softmax()),
    "copies": Mixture(experts=Copies(count=2), gate=InstanceGate(), router=TopK(k=1)),
    "none": Mixture(gate=None),
}


def batch(tasks=TASKS) -> dict[str, torch.Tensor]:
    """Five random samples, padded on the right."""
    generator = torch.Generator().manual_seed(3)
    places = torch.arange(max(LENGTHS)).expand(len(LENGTHS), -1)
    seen = places < torch.tensor(LENGTHS)[:, None]
    ids = torch.randint(5, 60, seen.shape, generator=generator) * seen
    is_answer = seen & (places >= torch.tensor(PROMPTS)[:, None])
    return {
        "input_ids": ids,
        "attention_mask": seen.long(),
        "labels": ids.where(is_answer, torch.tensor(IGNORED)),
        "task_ids": torch.tensor(tasks),
    }


def test_rows_of_a_small_batch() -> None:
    packed = pack(
        {
            "input_ids": torch.tensor([[5, 6, 7], [8, 9, 0], [4, 3, 2]]),
            "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1]]),
            "labels": torch.tensor([[-100, 6, 7], [-100, 9, -100], [-100, -100, 2]]),
            "task_ids": torch.tensor([1, 0, 1]),
        },
        5,
    )
    assert packed["input_ids"].tolist() == [[5, 6, 7, 8, 9], [4, 3, 2, 0, 0]]
    assert packed["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 0, 0]]
    assert packed["labels"].tolist() == [[-100, 6, 7, -100, 9], [-100, -100, 2, -100, -100]]
    assert packed["prompt_mask"].int().tolist() == [[1, 0, 0, 1, 0], [1, 1, 0, 0, 0]]
    assert packed["task_ids"].tolist() == [1, 0, 1]
    assert packed["sample_spans"].tolist() == [[3, 0], [2, 0], [3, 2]]


def test_rows_are_filled_in_order() -> None:
    assert split_into_rows(LENGTHS, 12) == [2, 2, 1]
    assert split_into_rows(LENGTHS, 7) == [1, 1, 1, 1, 1]
    assert split_into_rows(LENGTHS, None) == [5]
    assert split_into_rows([9, 1], 5) == [1, 1]  # longer than a row: a row of its own


def test_samples_with_more_than_text_are_refused() -> None:
    with pytest.raises(ValueError, match="text alone, and a batch has pixel_values: leave packing"):
        pack(batch() | {"pixel_values": torch.zeros(1)}, 12)


@pytest.mark.parametrize("longest", [12, None])
@pytest.mark.parametrize("attention", ["sdpa", pytest.param("eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tasks", [TASKS, (1,) * 5], ids=["tasks", "task"])
@pytest.mark.parametrize("name", MIXTURES)
def test_losses_and_gradients_are_those_without_packing(name, tasks, attention, longest) -> None:
    tiny = TINY["llama"]()
    tiny.model.set_attn_implementation(attention)
    model = grafted(tiny, MIXTURES[name])
    losses = [MutualInformation(weight=1.0), LoadBalance(weight=1.0), Importance(weight=1.0)]
    found = []
    for inputs in (batch(tasks), pack(batch(tasks), longest)):
        with coterie.observe(model) as tape:
            items = compute_token_losses(model, model.get_output_embeddings(), inputs)
        total = items.losses.sum()
        if MIXTURES[name].gate is not None:
            total = total + sum(each(tape) for each in losses)
        total.backward()
        found.append((items, tape, gradients(model)))
    (plain, tape, wanted), (packed, other, given) = found
    torch.testing.assert_close(packed.losses, plain.losses, atol=1e-5, rtol=1e-5)
    assert torch.equal(packed.task_ids, plain.task_ids)
    same(given, wanted, tolerance=1e-5)
    assert tape.keys() == other.keys()
    for layer, routing in tape.items():
        kept = slice(None) if routing.valid is None else routing.valid
        seen = slice(None) if other[layer].valid is None else other[layer].valid
        torch.testing.assert_close(other[layer].weights[seen], routing.weights[kept])
        if routing.task is not None:
            assert torch.equal(other[layer].task[seen], routing.task[kept])


def test_experts_that_replace_an_attention_are_refused() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.attn", experts=Copies(count=2)))
    with pytest.raises(ValueError, match="replace an attention, and rows that hold several"):
        compute_token_losses(model, None, pack(batch(), 12))


def test_models_are_asked_whether_they_keep_samples_apart() -> None:
    check_packing(grafted(TINY["llama"](), MIXTURES["prompt"]))
    check_packing(grafted(TINY["gemma3"](), MIXTURES["task"]))
    omni = omni_model(omni_processor())  # whose placeholders are low numbers
    check_packing(coterie.graft(omni, Mixture(at="text.mlp", gate=None)))
    config = MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4)
    recurrent = coterie.graft(MambaForCausalLM(config), Mixture(at=r".*in_proj", gate=None))
    with pytest.raises(ValueError, match="a MambaForCausalLM does not keep samples of one row"):
        check_packing(recurrent)


def test_the_collator_packs_what_another_makes() -> None:
    class Made:
        def __call__(self, samples):
            return batch() if samples else {}

    packed = PackedCollator(Made(), 12)
    assert packed([1])["input_ids"].shape == (3, 12)
