"""What a batch's arguments say, and who is asked for one entry a sample."""

import peft
import pytest
import torch

import coterie
from coterie import InstanceGate, Mixture, TaskGate, TopK
from coterie.routing.context import RoutingContext
from coterie.tuner.batch import (
    count_copies,
    find_batch_input,
    find_packing,
    make_prompt_mask,
    set_tasks,
)
from coterie.tuner.config import CoterieConfig
from tests.tiny import TINY
from tests.tuner.checks import awake, grafted


def test_an_entry_is_for_one_row_or_while_generating_for_neighbouring_ones() -> None:
    assert count_copies("task_ids", 2, 2, repeats=False) == 1
    assert count_copies("task_ids", 2, 6, repeats=True) == 3
    for entries, batch, repeats in ((2, 4, False), (3, 4, True), (0, 4, True), (4, 2, True)):
        with pytest.raises(ValueError, match=f"`task_ids` should .* but got {entries} and"):
            count_copies("task_ids", entries, batch, repeats=repeats)


def test_the_batch_is_that_of_a_known_argument_or_else_of_the_first_tensor() -> None:
    mask, ids = torch.ones(2, 3), torch.zeros(2, 3)
    inputs = {"attention_mask": mask, "input_ids": ids}
    assert find_batch_input(inputs, needs_samples=True) is ids
    unknown = {"scale": 2.0, "zero": torch.tensor(1.0), "X": mask}
    assert find_batch_input(unknown, needs_samples=False) is mask
    for given, needs_samples in ((unknown, True), ({"scale": 2.0}, False)):
        with pytest.raises(ValueError, match=r"cannot tell the batch from the arguments \["):
            find_batch_input(given, needs_samples=needs_samples)


def test_any_module_of_peft_takes_token_and_task_gates() -> None:
    class Plain(torch.nn.Sequential):
        def forward(self, features):  # no name that transformers has
            return super().forward(features)

    config = CoterieConfig.from_mixtures((Mixture(at="0", gate=TaskGate()),), ("a", "b"))
    model = peft.get_peft_model(Plain(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)), config)
    awake(model, scale=1.0)
    x, tasks = torch.randn(2, 4), torch.tensor([0, 1])
    both = model.eval()(x, task_ids=tasks)
    for row in (0, 1):
        alone = model(features=x[row : row + 1], task_ids=tasks[row : row + 1])
        torch.testing.assert_close(both[row : row + 1], alone)
    assert not torch.allclose(both, model(x, task_ids=tasks.flip(0)))


def test_a_packed_row_of_several_samples_has_no_single_task() -> None:
    model = grafted(TINY["llama"](), Mixture(at="text.mlp", gate=TaskGate()))
    ids, places = torch.tensor([[1, 20, 3, 21]]), torch.tensor([[0, 1, 0, 1]])
    with pytest.raises(ValueError, match=r"several samples into one row \(position_ids\)"):
        model(input_ids=ids, position_ids=places, task_ids=torch.tensor([0]))
    model(input_ids=ids, position_ids=torch.arange(4)[None], task_ids=torch.tensor([0]))


def test_tasks_are_repeated_for_beams() -> None:
    context = RoutingContext(batch_size=4, device=torch.device("cpu"))
    set_tasks(context, torch.tensor([2, 0]), 3, repeats=True)
    assert context.task_ids is not None and context.task_ids.tolist() == [2, 2, 0, 0]
    assert context.single_task is None and context.highest_task == 2


def test_short_task_ids_and_adapter_names_are_refused() -> None:
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at="text.mlp", gate=TaskGate()))
    four = torch.cat([tiny.batch["input_ids"]] * 2)
    with pytest.raises(ValueError, match=r"`task_ids` should .* but got 2 and 4"):
        model(input_ids=four, task_ids=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"`adapter_names` should .* but got 2 and 4"):
        model(input_ids=four, adapter_names=["default", "__base__"])


def test_packing_is_found_in_the_arguments() -> None:
    places = torch.tensor([[0, 1, 0, 1]])
    assert find_packing({"position_ids": places}, None, is_generating=False) == "position_ids"
    assert find_packing({"position_ids": places}, None, is_generating=True) is None
    attended = torch.tensor([[False, False, True, True]])
    assert find_packing({"position_ids": places}, attended, is_generating=False) is None
    assert find_packing({"position_ids": places[None]}, None, is_generating=False) is None
    assert find_packing({"cu_seq_lens_q": places}, None, is_generating=True) == "cu_seq_lens_q"


def test_a_prompt_ends_at_the_first_label() -> None:
    text, labels = torch.zeros(1, 4), torch.tensor([[-100, -100, 5, -100]])
    assert make_prompt_mask(text, None, labels, None).tolist() == [[True, True, False, False]]
    # Labels of another length are those of a decoder: the whole text is the prompt.
    assert make_prompt_mask(text, None, labels[:, :2], None).all()


def second(tasks: tuple[str, ...], gate) -> torch.nn.Module:
    """A model with an adapter of two tasks and token gates, then one of other tasks and gates."""
    model = grafted(TINY["llama"](), Mixture(at="text.mlp"))
    coterie.graft(model, Mixture(at="text.attn", gate=gate, router=TopK(k=1)), tasks=tasks,
                  adapter="second")  # fmt: skip
    awake(model)
    model.set_adapter("second")
    return model.eval()


def test_a_second_adapter_has_tasks_of_its_own() -> None:
    ids = TINY["llama"]().batch["input_ids"]
    second(("a", "b", "c", "d"), TaskGate())(input_ids=ids, task_ids=torch.tensor([3, 0]))
    with pytest.raises(ValueError, match="this adapter was grafted for 1 tasks"):
        second(("a",), TaskGate())(input_ids=ids, task_ids=torch.tensor([1, 0]))


def test_a_second_adapter_decides_once_a_prompt() -> None:
    model, ids = second((), InstanceGate(init_std=1.0)), TINY["llama"]().batch["input_ids"]
    options = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 3, "do_sample": False}
    with coterie.observe(model) as prompt:
        model(input_ids=ids)
    with coterie.observe(model) as tape:
        model.generate(input_ids=ids, **options)
    for name, routing in tape.items():
        assert routing.weights.argmax(-1).equal(prompt[name].weights.argmax(-1)), name
