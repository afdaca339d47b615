"""Several mixtures at one module, each for tasks of its own; bits are in train/test_growth.py."""

import re
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor

import coterie
from coterie import Copies, Lora, Mixture, Softmax, TaskGate, TokenGate
from coterie.evaluate.expert_usage import find_active_mixtures
from coterie.routing.usage import ExpertUsage
from tests.tiny import TINY
from tests.tuner.checks import awake

TASKS = ("a", "b", "c")
PLACE = "model.layers.1.mlp.up_proj"


def mixture(tasks: tuple[str, ...], **fields: Any) -> Mixture:
    lora = {"experts": Lora(ranks=(2, 2)), "gate": TokenGate(), "router": Softmax()}
    return Mixture(at=(PLACE,), tasks=tasks, **lora | fields)


def make_model(*mixtures: Mixture) -> Any:
    model = coterie.graft(TINY["llama"]().model, mixtures, tasks=TASKS)
    awake(model)
    return model.eval()


@torch.no_grad()
def run(model: Any, *ids: int) -> Tensor:
    tokens = TINY["llama"]().batch["input_ids"][: len(ids)]
    return model(input_ids=tokens, task_ids=torch.tensor(ids)).logits


def test_a_task_that_none_serves_has_the_base_models_output() -> None:
    model = make_model(mixture(("a",)), mixture(("c",)))
    found = run(model, 1, 2)
    with model.disable_adapter():
        wanted = run(model, 1, 1)
    assert torch.equal(found[0], wanted[0]) and not torch.allclose(found[1], wanted[1])
    assert torch.equal(run(model, 1, 1), wanted)


def test_each_is_recorded_under_a_name_of_its_own() -> None:
    model = make_model(mixture(("a", "b")), mixture(("c",), experts=Lora(ranks=(2, 2, 2))))
    names = [PLACE, f"{PLACE} (c)"]
    assert list(find_active_mixtures(model)) == names
    usage = ExpertUsage(TASKS)
    with coterie.observe(model) as tape:
        run(model, 1, 2)
    usage.add(tape)
    means = usage.compute_means()
    # Rows of other tasks are computed, and do not count.
    assert {name: list(means[name]["chosen"]) for name in names} == {PLACE: ["b"], names[1]: ["c"]}
    with coterie.observe(model) as tape:
        run(model, 2, 2)
    assert list(tape) == names[1:]


def test_it_comes_back(tmp_path: Path) -> None:
    model = make_model(mixture(("a", "b"), gate=TaskGate()), mixture(("c",), gate=TaskGate()))
    shapes = {name: tuple(each.shape) for name, each in model.named_parameters() if "_gate" in name}
    # A matrix for each task that the mixture serves, two and one.
    assert [shape[0] for shape in shapes.values()] == [2, 1]
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(TINY["llama"]().model, tmp_path).eval()
    assert torch.equal(run(again, 0, 2), run(model, 0, 2))
    plain = TINY["llama"]().model
    plain.load_adapter(str(tmp_path))
    assert torch.equal(run(plain.eval(), 0, 2), run(model, 0, 2))


def test_gradients_stay_with_the_tasks() -> None:
    model = make_model(mixture(("a", "b")), mixture(("c",)))
    tokens = TINY["llama"]().batch["input_ids"][:2]
    model.train()(input_ids=tokens, task_ids=torch.tensor([0, 2])).logits[1].sum().backward()
    first = [each.grad for name, each in model.named_parameters() if "_experts.default" in name]
    second = [each.grad for name, each in model.named_parameters() if "_experts_1.default" in name]
    assert not any(grad is not None and grad.any() for grad in first)
    assert all(grad is not None and grad.any() for grad in second)


def test_task_ids_are_needed() -> None:
    model = make_model(mixture(("a", "b")), mixture(("c",)))
    with pytest.raises(ValueError, match="this model routes by task, but the batch has no task"):
        model(input_ids=TINY["llama"]().batch["input_ids"])


@pytest.mark.parametrize(
    ("mixtures", "message"),
    [
        ((mixture(("a",)), mixture(("a", "b"))), "both sit at"),
        ((mixture(("a",)), mixture(())), "both sit at"),
        (
            (mixture(("z",)),),
            "mixture 0 serves task 'z', and the model's tasks are ('a', 'b', 'c')",
        ),
    ],
)
def test_mixtures_that_do_not_fit(mixtures: tuple[Mixture, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        coterie.graft(TINY["llama"]().model, mixtures, tasks=TASKS)


def test_experts_that_replace_a_block_are_for_all_tasks() -> None:
    with pytest.raises(ValueError, match="Copies experts replace a block for all tasks"):
        Mixture(experts=Copies(count=2), tasks=("a",))


def test_it_cannot_be_merged_in_place() -> None:
    model = make_model(mixture(("a",), gate=None), mixture(("c",), gate=None))
    with pytest.raises(ValueError, match="weights of its own for each of its 3 tasks"):
        model.merge_adapter()
