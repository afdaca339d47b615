"""Every family, at every role it has: the life of a grafted model."""

import json
import subprocess
import sys
import textwrap

import pytest
import torch

import coterie
from coterie import InstanceGate, Lora, Mixture, Rectified, Softmax, TaskGate, TopK
from coterie.losses.load_balance import LoadBalance
from tests.tiny import TINY
from tests.tuner.checks import IDS, TASKS, TWINS, gradients, grafted, logits, roles, same, trained

# The MLPs of each tower, whose attention has the same axes; `make test-slow` has the others.
TOWERS = [
    pytest.param(family, role, marks=pytest.mark.slow)
    if family in TWINS or role.endswith(".attn")
    else (family, role)
    for family in TINY
    for role in roles(family)
]
ROUTED = dict(experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=TopK(k=1))


@pytest.mark.parametrize(("family", "role"), TOWERS)
class TestEveryRole:
    def test_nothing_changes_until_training_and_three_steps_lower_the_loss(self, family, role):
        tiny = TINY[family]()
        with torch.no_grad():
            before = tiny.model(**tiny.batch).logits
        model = coterie.graft(tiny.model, Mixture(at=role, **ROUTED), tasks=TASKS)
        torch.testing.assert_close(logits(model, tiny.batch), before, atol=1e-6, rtol=1e-6)
        losses = trained(model, tiny.batch, rate=5e-3)
        assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]

    def test_checkpointed_gradients_equal_plain_ones(self, family, role):
        if not TINY[family]().model.supports_gradient_checkpointing:
            pytest.skip(f"transformers checkpoints no {family}")
        found = []
        for checkpointed in (False, True):
            tiny = TINY[family]()
            model = grafted(tiny, Mixture(at=role, **ROUTED)).train()
            if checkpointed:
                model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
            torch.manual_seed(0)
            with coterie.observe(model) as tape:
                loss = model(**tiny.batch, task_ids=IDS).loss
            (loss + LoadBalance(weight=1.0)(tape)).backward()
            found.append(gradients(model))
        same(*found)


@pytest.mark.parametrize(("family", "role"), TOWERS)
class TestEveryTower:
    def test_two_forwards_before_one_backward(self, family, role):
        tiny = TINY[family]()
        model = grafted(tiny, Mixture(at=role, **ROUTED)).train()
        if tiny.model.supports_gradient_checkpointing:
            model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        other = IDS.flip(0)
        losses = [model(**tiny.batch, task_ids=ids).loss for ids in (IDS, other)]
        sum(losses).backward()
        together = gradients(model)
        for ids in (IDS, other):
            model(**tiny.batch, task_ids=ids).loss.backward()
        same(together, gradients(model))

    def test_a_batch_of_two_tasks_equals_two_of_one(self, family, role):
        for gate in (TaskGate(), TaskGate(per_token=False)):
            tiny = TINY[family]()
            mixture = Mixture(at=role, experts=Lora(ranks=(4, 4)), gate=gate, router=Softmax())
            model = grafted(tiny, mixture)
            mixed = logits(model, tiny.batch)
            for sample in (0, 1):
                alone = logits(model, tiny.batch, torch.full((2,), sample))
                torch.testing.assert_close(mixed[sample], alone[sample], atol=1e-5, rtol=1e-4)
            assert not torch.allclose(mixed[0], logits(model, tiny.batch, IDS.flip(0))[0])


@pytest.mark.parametrize("family", [name for name in TINY if "input_ids" in TINY[name]().batch])
class TestInstanceGate:
    def test_the_answer_is_never_seen(self, family):
        tiny = TINY[family]()
        gates = (InstanceGate(), InstanceGate(pool="hidden", tie="model"))
        for gate in gates:
            mixture = Mixture(at="text.mlp", gate=gate, router=Softmax())
            model = grafted(TINY[family](), mixture)
            with coterie.observe(model) as tape:
                logits(model, tiny.batch, None)
            before = [routing.logits for routing in tape.values()]
            changed = dict(tiny.batch)
            answer = changed["labels"] != -100
            changed["input_ids"] = changed["input_ids"].masked_fill(answer, 5)
            with coterie.observe(model) as tape:
                logits(model, changed, None)
            for first, second in zip(before, tape.values(), strict=True):
                torch.testing.assert_close(first, second.logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "qwen2", "vit", "dinov2", "clip", "siglip"])
def test_two_batches_of_one_sample_equal_one_of_two(family):
    tiny = TINY[family]()
    mixture = Mixture(at=roles(family)[-1], **ROUTED)
    model = grafted(tiny, mixture)
    together = logits(model, tiny.batch)
    for i in (0, 1):
        alone = {key: value[i : i + 1] for key, value in tiny.batch.items()}
        torch.testing.assert_close(
            logits(model, alone, IDS[i : i + 1])[0], together[i], atol=1e-5, rtol=1e-4
        )


def test_places_may_be_named_one_by_one():
    names = ("model.layers.1.mlp.up_proj", "model.layers.0.self_attn.q_proj")
    tiny = TINY["llama"]()
    model = grafted(tiny, Mixture(at=names, experts=Lora(ranks=(2, 3)), router=Softmax()))
    with coterie.observe(model) as tape:
        logits(model, tiny.batch)
    assert set(tape) == set(names)


@pytest.mark.slow
def test_saved_adapters_load_in_a_fresh_process(tmp_path):
    for family in TINY:
        tiny = TINY[family]()
        folder = tmp_path / family
        mixtures = [Mixture(at=role, router=Rectified(bias=0.1)) for role in roles(family)]
        model = grafted(tiny, *mixtures)
        tiny.model.config.name_or_path = family
        model.save_pretrained(folder)
        torch.save(logits(model, tiny.batch), folder / "logits.pt")
        assert json.loads((folder / "adapter_config.json").read_text())["tasks"] == list(TASKS)
    program = f"""
        import torch, coterie, peft
        from pathlib import Path
        from tests.tiny import TINY
        for family in TINY:
            folder = Path({str(tmp_path)!r}) / family
            tiny = TINY[family]()
            model = peft.PeftModel.from_pretrained(tiny.model, folder).eval()
            with torch.no_grad():
                out = model(**tiny.batch, task_ids=torch.tensor([0, 1])).logits
            wanted = torch.load(folder / "logits.pt", weights_only=True)
            assert torch.equal(out, wanted), (family, (out - wanted).abs().max())
            print("equal", family)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert done.stdout.split().count("equal") == len(TINY), done.stderr[-2000:]
