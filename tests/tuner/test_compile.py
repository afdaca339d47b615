"""torch.compile sees a grafted model without a break and without compiling again for new lengths.

Run in a process of its own: the shape checks that tests install cannot be traced.
"""

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import sys

    import peft
    import torch
    import coterie
    from coterie import (Copies, InstanceGate, Lora, Mixture, ModalityGate, Rectified, Softmax,
                         TaskGate, TopK, TopP)
    from tests.tiny import TINY
    from tests.tuner.checks import TASKS, awake
    from torch._dynamo.testing import CompileCounter

    MIXTURES = [
        Mixture(at="text.mlp", experts=Lora(ranks=(2, 4)), router=TopK(k=1)),
        Mixture(at="text.mlp", gate=InstanceGate(tie="block"), router=TopK(k=1)),
        Mixture(at="text.mlp", gate=TaskGate(), router=Softmax()),
        Mixture(at="text.mlp", router=Rectified(bias=0.1), shared=Lora(ranks=(3,))),
        Mixture(at="text.attn", router=TopP()),
        Mixture(at="text.mlp", gate=TaskGate(per_token=False), router=Softmax()),
        Mixture(at="text.mlp", gate=ModalityGate()),
        Mixture(at="text.mlp", gate=None),
        Mixture(at="text.mlp", experts=Copies(count=3), router=TopK(k=2)),
        Mixture(at="text.mlp", experts=Copies(count=3, trained="lora"), router=TopK(k=2)),
    ]
    ids = torch.tensor([0, 1])

    def batches():
        batch = TINY["llama"]().batch
        for length in (14, 13, 12)[: int(sys.argv[3])]:
            yield {key: value[:, :length].contiguous() for key, value in batch.items()}

    counter, plain = CompileCounter(), []
    # With one length, one graph is all there can be, and the peer need not be asked.
    peers = list(batches()) if int(sys.argv[3]) > 1 else []
    plain += [] if peers else [1]
    lora = peft.LoraConfig(target_modules=["up_proj"])
    peer = peft.get_peft_model(TINY["llama"]().model, lora).eval()
    peer = torch.compile(peer, backend=counter, fullgraph=True, dynamic=True)
    for batch in peers:
        peer(**batch).loss.backward()
        plain.append(counter.frame_count)

    for mixture in MIXTURES[int(sys.argv[1]) : int(sys.argv[2])]:
        torch._dynamo.reset()
        tiny = TINY["llama"]()
        model = coterie.graft(tiny.model, mixture, tasks=TASKS)
        awake(model)
        model.eval()
        counter, counts = CompileCounter(), []
        compiled = torch.compile(model, backend=counter, fullgraph=True, dynamic=True)
        for batch in batches():
            with coterie.observe(model) as tape:
                wanted = model(**batch, task_ids=ids)
            with coterie.observe(model) as traced:
                out = compiled(**batch, task_ids=ids)
            torch.testing.assert_close(out.logits, wanted.logits, atol=1e-5, rtol=1e-4)
            assert set(tape) == set(traced), (len(tape), len(traced))
            out.loss.backward()
            counts.append(counter.frame_count)
        # transformers' Llama itself is compiled a second time for the second length; no more
        assert counts == plain, (mixture, counts)
        print("one graph")
"""


@pytest.mark.parametrize(
    ("some", "lengths"),
    [
        (range(0, 1), 1),
        *(pytest.param(range(i, i + 3), 3, marks=pytest.mark.slow) for i in (0, 3, 6, 9)),
    ],
)
def test_one_graph_for_every_mixture(some, lengths):
    bounds = [str(some.start), str(some.stop), str(lengths)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *bounds], capture_output=True, text=True
    )
    assert done.stdout.count("one graph") == min(len(some), 10 - some.start), (
        done.stdout + done.stderr[-4000:]
    )
