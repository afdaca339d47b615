"""A new task learns, and the others do not notice."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from coterie import Copies, Mixture, TaskGate, TopK
from coterie.graft import graft
from coterie.tasks.dense.kinds.depth import Depth
from coterie.train.dense_adopt import add_task
from tests.tasks.dense.tiny import model, pictures

OLD = ("depth", "normal", "scene")
NEW = Depth(name="heat")
MIXTURE = Mixture(
    at="vision.mlp", experts=Copies(count=4), gate=TaskGate(init_std=1.0), router=TopK(k=2)
)
LAYER = "base_model.model.backbone.layers.0.mlp"


def grafted():
    return graft(model(), MIXTURE, tasks=OLD).eval()


@torch.no_grad()
def answers(host) -> dict[str, Tensor]:
    return {
        task: host(pixel_values=pictures(), tasks=(task,)).predictions[task].clone() for task in OLD
    }


def steps(adopted, count: int) -> list[float]:
    """The new task's loss before each step, towards a picture that is everywhere 3."""
    found: list[float] = []
    trained = [each for each in adopted.model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.1)
    for _ in range(count):
        said = adopted.model(pixel_values=pictures(), tasks=(NEW.name,)).predictions[NEW.name]
        loss = (said - 3).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def test_others_stay_bit_for_bit_while_it_learns() -> None:
    before = grafted()
    wanted = answers(before)
    adopted = add_task(before, NEW)
    after = answers(adopted.model)
    assert all(torch.equal(after[task], wanted[task]) for task in OLD)
    losses = steps(adopted, 5)
    assert losses[-1] < 0.9 * losses[0]
    after = answers(adopted.model)
    assert all(torch.equal(after[task], wanted[task]) for task in OLD)
    # The source is another model, as it was.
    assert before.get_base_model().config.names == OLD


def test_only_what_is_named_gets_gradients() -> None:
    adopted = add_task(grafted(), NEW)
    steps(adopted, 1)
    found = {name for name, each in adopted.model.named_parameters() if each.grad is not None}
    assert found == set(adopted.trainable)
    gates = {f"{LAYER.replace('0', number)}.coterie_gate.default" for number in "01"}
    assert found == {
        "base_model.model.heads.3.linear.weight",
        "base_model.model.heads.3.linear.bias",
        "base_model.model.embeddings.parametrizations.32.original",
        *(f"{gate}.parametrizations.weight.original" for gate in gates),
    }
    shapes = {name: tuple(each.shape) for name, each in adopted.model.named_parameters()}
    assert shapes["base_model.model.embeddings.parametrizations.32.original"] == (1, 32)


def test_the_gate_starts_as_others() -> None:
    old = grafted()
    gate = old.get_submodule(f"{LAYER}.coterie_gate.default").weight
    mean = add_task(old, NEW).model.get_submodule(f"{LAYER}.coterie_gate.default").weight
    torch.testing.assert_close(mean[3], (gate[0] + gate[1] + gate[2]) / 3)
    assert torch.equal(mean[:3], gate)
    like = add_task(old, NEW, like="normal").model.get_submodule(f"{LAYER}.coterie_gate.default")
    assert torch.equal(like.weight[3], gate[1])


def test_experts_may_train_too() -> None:
    old = grafted()
    wanted = answers(old)
    adopted = add_task(old, NEW, experts=True)
    stacks = [name for name in adopted.trainable if ".coterie_experts.default." in name]
    assert len(stacks) == 2 * 4  # two layers; weight and bias of two linear maps
    steps(adopted, 1)
    assert not torch.equal(answers(adopted.model)["depth"], wanted["depth"])


def test_settled_it_is_saved_and_read_as_any_other(tmp_path) -> None:
    adopted = add_task(grafted(), NEW)
    steps(adopted, 1)
    grown = adopted.settle()
    wanted = grown(pixel_values=pictures()).predictions
    grown.save_pretrained(tmp_path)
    plain = model(tasks=[*model().config.tasks, {"name": "heat", "channels": 1,
                                                 "whole_picture": False}])  # fmt: skip
    host = grown.get_base_model().state_dict()
    missing = plain.load_state_dict(
        {name.replace(".base_layer", ""): each for name, each in host.items()
         if ".coterie_" not in name}
    )  # fmt: skip
    assert not missing.missing_keys
    again = PeftModel.from_pretrained(plain, tmp_path).eval()
    for task, said in again(pixel_values=pictures()).predictions.items():
        assert torch.equal(said, wanted[task])
    assert not any(each.requires_grad for each in grown.parameters())


def test_a_gate_with_noise_of_a_learned_width_grows_by_both_halves() -> None:
    noisy = replace(MIXTURE, gate=TaskGate(init_std=1.0, noisy=True))
    before = graft(model(), noisy, tasks=OLD).eval()
    adopted = add_task(before, NEW, like="normal")
    (stack, _) = adopted.stacks[-1]
    assert torch.equal(stack.weight[3], stack.weight[1]) and stack.weight.shape == (4, 8, 32)
    wanted = answers(before)
    assert all(torch.equal(each, wanted[task]) for task, each in answers(adopted.model).items())


def test_what_cannot_be_adopted(unchecked) -> None:
    with pytest.raises(ValueError, match="not MultiTaskVision"):
        add_task(model(), NEW)
    with pytest.raises(ValueError, match="the model's tasks are depth, normal, scene"):
        add_task(grafted(), Depth(name="depth"))
    with pytest.raises(ValueError, match="like='dept'"):
        add_task(grafted(), NEW, like="dept")
    shared = Mixture(at="vision.mlp", experts=Copies(count=2), gate=None)
    with pytest.raises(ValueError, match="has a NoneType"):
        add_task(graft(model(), shared, tasks=OLD), NEW)
