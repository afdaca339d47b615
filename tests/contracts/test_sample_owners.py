"""Two samples with one image and two: each is answered as it is alone, by every kind of gate."""

import pytest
import torch
from torch import Tensor

import coterie
from coterie import InstanceGate, Mixture, ModalityGate, TaskGate, TokenGate, TopK
from coterie.routing.gates.base import Gate
from tests.tiny import TINY, Tiny
from tests.tuner.checks import IDS, TASKS, awake, logits, roles

GATES: dict[str, Gate] = {
    "token": TokenGate(init_std=1.0),
    "task": TaskGate(init_std=1.0),
    "static task": TaskGate(per_token=False, init_std=1.0),
    "modality": ModalityGate(),
    "hidden": InstanceGate(pool="hidden", init_std=1.0),
    "embedding": InstanceGate(init_std=1.0),
}


def routed(tiny: Tiny, gate: Gate, role: str):
    torch.manual_seed(0)
    model = coterie.graft(tiny.model, Mixture(at=role, gate=gate, router=TopK(k=1)), tasks=TASKS)
    awake(model, scale=0.3)
    return model.eval()


def first_logits(model, batch: dict[str, Tensor], tasks: Tensor) -> Tensor:
    """Of the first generated token; prompts alone, padded on the left."""
    prompt = make_prompts(batch)
    settings = {"max_new_tokens": 2, "do_sample": False, "pad_token_id": 0}
    settings |= {"output_logits": True, "return_dict_in_generate": True}
    made = model.generate(**prompt, task_ids=tasks, **settings)
    return torch.stack(made.logits, 1)


def make_prompts(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    keep = (batch["labels"] == -100) & (batch["attention_mask"] == 1)
    longest = int(keep.sum(1).max())
    prompts = {name: value for name, value in batch.items() if name != "labels"}
    for name, value in batch.items():
        if name in prompts and value.shape[:2] == keep.shape:
            rows = [row[chosen] for row, chosen in zip(value, keep, strict=True)]
            prompts[name] = torch.stack(
                [
                    torch.cat([row.new_zeros(longest - len(row), *row.shape[1:]), row])
                    for row in rows
                ]
            )
    return prompts


# Tiles, packed patches, other ways to the first block; the others are slow.
FAST = {("llava_next", "task"), ("llava_next", "hidden"), ("qwen2_vl", "task"),
        ("blip_2", "embedding"), ("gemma3n", "embedding")}  # fmt: skip
WITHOUT_BOTH = {"llama", "qwen2", "qwen2_moe", "vit", "dinov2", "swin", "convnext"}
"""Models of text or of pictures alone."""
OWN_GENERATE = {"blip_2", "instructblip"}
"""They generate by a model inside, which gets no `input_ids`."""
OTHER_FILES = {"clip", "siglip", "omni"}
CASES = [
    pytest.param(family, kind, marks=() if (family, kind) in FAST else pytest.mark.slow)
    for family in TINY
    if family not in WITHOUT_BOTH | OTHER_FILES
    for kind in GATES
]


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_each_sample_is_answered_as_alone(family: str, kind: str) -> None:
    for role in roles(family):
        if kind == "embedding" and not role.startswith("text"):
            continue  # refused: the tower runs before the prompt is embedded
        tiny = TINY[family]()
        base = _distance(tiny.model, tiny, None)
        model = routed(tiny, GATES[kind], role)
        assert _distance(model, tiny, IDS) <= 1e-4 + 2 * base, role
        if kind == "task":  # the tasks matter, so that a wrong one would be seen
            assert not torch.allclose(
                logits(model, tiny.batch), logits(model, tiny.batch, IDS.flip(0)), atol=1e-4
            )
        if kind == "modality" and family in OWN_GENERATE and role.startswith("text"):
            with pytest.raises(ValueError, match="does not know the tokens' modality"):
                first_logits(model, tiny.batch, IDS)
            continue
        together = first_logits(model, tiny.batch, IDS)
        for sample, batch in enumerate(tiny.alone):
            alone = first_logits(model, batch, IDS[sample : sample + 1])[0]
            steps = min(len(alone), together.shape[1])
            torch.testing.assert_close(
                together[sample, :steps], alone[:steps], atol=1e-4 + 2 * base, rtol=1e-4, msg=role
            )


def _distance(model, tiny: Tiny, tasks: Tensor | None) -> float:
    """The largest difference of a sample's logits in the batch and alone."""
    given = {} if tasks is None else {"task_ids": tasks}
    with torch.no_grad():
        mixed = model(**tiny.batch, **given).logits
    found = 0.0
    for sample, batch in enumerate(tiny.alone):
        given = {} if tasks is None else {"task_ids": tasks[sample : sample + 1]}
        with torch.no_grad():
            alone = model(**batch, **given).logits[0, batch["attention_mask"][0].bool()]
        own = tiny.batch["attention_mask"][sample].bool()
        found = max(found, (mixed[sample, own] - alone).abs().max().item())
    return found
