"""Compiled training: the same losses, and one graph for all steps.

Run in a process of its own: the shape checks that tests install cannot be traced.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from coterie.train.compilation import compile_model

PROGRAM = """
    import sys
    from pathlib import Path

    import coterie
    import torch
    from torch._dynamo.utils import counters

    from coterie import (Importance, InstanceGate, Lora, Mixture, MutualInformation, Recipe,
                         Softmax, Stage, TaskGate, TopK)
    from tests.train.gallery import learned
    from tests.train.small import trained

    # No C++ compiler is needed: inductor's own work is not what is tested.
    real = torch.nn.Module.compile
    torch.nn.Module.compile = lambda self, **more: real(self, backend="aot_eager", **more)
    lora = Lora(ranks=(2, 2))
    recipe = Recipe(
        name="r",
        mixtures=(
            Mixture(experts=lora, gate=InstanceGate(tie="block"), router=TopK(k=1)),
            Mixture(at="text.attn", experts=lora, gate=TaskGate(), router=Softmax()),
        ),
        losses=(MutualInformation(weight=0.1), Importance(weight=0.1)),
        stages=(Stage(steps=4, learning_rate=1e-2),),
    )
    found = []
    for name, options in (("plain", {}), ("compiled", {"compile": True})):
        options |= {"accumulation": 2, "log_every": 1, "evaluate_every": 4}
        run = trained(Path(sys.argv[1]) / name, recipe, **options)
        found.append([(each["loss"], each["gradient_norm"]) for each in run.read_log()])
    torch.testing.assert_close(torch.tensor(found[1]), torch.tensor(found[0]), atol=1e-5, rtol=1e-4)
    assert not counters["graph_break"], counters["graph_break"]
    print("same", counters["stats"]["unique_graphs"])

    dense = coterie.recipes.plain_moe(mlp=(3, 2), attention=(3, 2))
    try:
        learned(Path(sys.argv[1]) / "dense", dense, steps=1, compile=True)
    except ValueError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_compiled_run_has_the_losses_of_the_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "same" in done.stdout, done.stdout + done.stderr[-4000:]
    assert "torch cannot compile this model as one graph" in done.stdout


def test_the_model_is_compiled_within_the_block_alone(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: calls.append(1) or function)
    model = nn.Linear(2, 2)
    with compile_model(model):
        assert model._compiled_call_impl is not None
        model(torch.zeros(1, 2))
    assert model._compiled_call_impl is None and calls == [1]
