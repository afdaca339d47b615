"""Grafted models of every family on the device, against the same model on the CPU."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from coterie import Copies, InstanceGate, Lora, Mixture, Softmax, TaskGate, TopK
from tests.tiny import TINY
from tests.tuner.checks import IDS, grafted, logits, roles

pytestmark = pytest.mark.accelerator
MIXTURES = {
    "task": Mixture(experts=Lora(ranks=(2, 4)), gate=TaskGate(), router=Softmax()),
    "instance": Mixture(experts=Lora(ranks=(4, 4)), gate=InstanceGate(), router=TopK(k=1)),
    "copies": Mixture(experts=Copies(count=3), router=TopK(k=2)),
}


def moved(batch: dict[str, torch.Tensor], device: torch.device, dtype: torch.dtype = torch.float32):
    return {
        key: each.to(device, dtype) if each.is_floating_point() else each.to(device)
        for key, each in batch.items()
    }


@pytest.mark.slow  # nothing on a CPU that other tests do not show
@pytest.mark.parametrize("family", TINY)
def test_float32_equals_the_cpu(family: str, device: torch.device) -> None:
    tiny = TINY[family]()
    model = grafted(tiny, *(Mixture(at=role, gate=TaskGate()) for role in roles(family)))
    wanted = logits(model, tiny.batch)
    given = logits(model.to(device), moved(tiny.batch, device), IDS.to(device))
    torch.testing.assert_close(given.cpu(), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", MIXTURES)
def test_training_in_bfloat16_lowers_the_loss(name: str, device: torch.device) -> None:
    tiny = TINY["llama"]()
    tiny.model.to(torch.bfloat16)
    at = "text.mlp"
    model = grafted(tiny, replace(MIXTURES[name], at=at)).to(device).train()
    batch, ids = moved(tiny.batch, device, torch.bfloat16), IDS.to(device)
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(**batch, task_ids=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1, losses


@pytest.mark.parametrize("family", ["llama", "llava", "qwen2_vl", "gemma3"])
def test_generation_equals_the_cpu(family: str, device: torch.device) -> None:
    tiny = TINY[family]()
    mixture = Mixture(at="text.mlp", gate=InstanceGate(), router=TopK(k=1))
    model = grafted(tiny, mixture)
    prompt = {key: each for key, each in tiny.batch.items() if key != "labels"}
    wanted = model.generate(**prompt, task_ids=IDS, max_new_tokens=4, do_sample=False)
    model.to(device)
    given = model.generate(
        **moved(prompt, device), task_ids=IDS.to(device), max_new_tokens=4, do_sample=False
    )
    assert given.tolist() == wanted.tolist()


@pytest.mark.slow
def test_compiled_equals_eager(device: torch.device) -> None:
    """In a process without the tests' shape checks, which cannot be traced."""
    program = f"""
import torch, coterie
from coterie import Mixture, Softmax, TaskGate
from tests.tiny import TINY
from tests.tuner.checks import IDS, grafted
tiny = TINY["llama"]()
model = grafted(tiny, Mixture(at="text.mlp", gate=TaskGate(), router=Softmax())).to("{device}")
batch = {{key: each.to("{device}") for key, each in tiny.batch.items()}}
ids = IDS.to("{device}")
wanted = model(**batch, task_ids=ids).logits
compiled = torch.compile(model, backend="inductor" if "{device.type}" == "cuda" else "eager")
given = compiled(**batch, task_ids=ids).logits
torch.testing.assert_close(given, wanted, atol=1e-4, rtol=1e-4)
print("equal")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "equal\n", done.stderr[-3000:]
