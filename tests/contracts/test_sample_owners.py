"""Two samples with one image and two: each is answered as it is alone, by every kind of gate."""

import pytest
import torch
from torch import Tensor

import coterie
from coterie import InstanceGate, Mixture, ModalityGate, TaskGate, TokenGate, TopK
from coterie.cache_argument import CACHE
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
NO_DRAFTS, NO_ASSISTANT = {"mllama"}, {"paligemma"}
"""Transformers' own models fail with drafted tokens, in 5.23 and 5.24: Mllama's cross-attention
mask is too short, and PaliGemma counts an assistant's to the prefix, whose tokens they change."""
NO_NEXT_TURN = {"paligemma"}
"""Tokens of its prompt attend to later ones of it, so that a longer prompt is another prefix."""
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


FAST_GENERATION = {("gemma3n", "embedding")}
GENERATION = [
    pytest.param(*case.values, marks=() if case.values in FAST_GENERATION else pytest.mark.slow)
    for case in CASES
]


@pytest.mark.parametrize(("family", "kind"), GENERATION)
def test_beams_drafts_and_the_next_turn(family: str, kind: str) -> None:
    for role in roles(family):
        in_text = role.startswith("text")
        if (kind == "embedding" and not in_text) or (family in OWN_GENERATE and kind == "modality"):
            continue  # refused, as above
        tiny = TINY[family]()
        model = routed(tiny, GATES[kind], role)
        check_beams(model, tiny)
        has_assistant = family not in OWN_GENERATE | NO_ASSISTANT
        if family not in NO_DRAFTS:
            check_drafts(model, tiny, TINY[family]().model if has_assistant else None)
        # OWN_GENERATE take the pictures again in each turn.
        if family not in OWN_GENERATE | NO_NEXT_TURN:
            check_next_turn(model, tiny, decides_by_prompt=kind in ("hidden", "embedding"))


SETTINGS = {"do_sample": False, "pad_token_id": 0, "return_dict_in_generate": True,
            "eos_token_id": None}  # fmt: skip


def check_beams(model, tiny: Tiny) -> None:
    """Each sample's best beam has the score that it has alone."""
    settings = {**SETTINGS, "num_beams": 3, "max_new_tokens": 3, "output_scores": True}
    together = model.generate(**make_prompts(tiny.batch), task_ids=IDS, **settings)
    for sample, batch in enumerate(tiny.alone):
        ids = IDS[sample : sample + 1]
        alone = model.generate(**make_prompts(batch), task_ids=ids, **settings)
        torch.testing.assert_close(
            together.sequences_scores[sample], alone.sequences_scores[0], atol=1e-3, rtol=1e-3
        )


def check_drafts(model, tiny: Tiny, assistant) -> None:
    """Tokens drafted by a search in the prompt, or by another model, change no answer."""
    prompt = make_prompts(tiny.alone[1])
    settings = {**SETTINGS, "max_new_tokens": 6, "task_ids": IDS[1:]}
    wanted = model.generate(**prompt, **settings).sequences
    drafts = [{"prompt_lookup_num_tokens": 2}]
    if assistant is not None:
        with torch.random.fork_rng():
            for weight in assistant.parameters():  # so that some drafts are refused
                weight.data += 0.02 * torch.randn(weight.shape)
        drafts.append({"assistant_model": assistant})
    for each in drafts:
        assert model.generate(**prompt, **settings, **each).sequences.equal(wanted), each


def check_next_turn(model, tiny: Tiny, *, decides_by_prompt: bool) -> None:
    """A turn on the cache of the first: as the whole chat, or with the first turn's decisions."""
    prompt = make_prompts(tiny.alone[1])
    settings = {**SETTINGS, "max_new_tokens": 2, "output_logits": True, "task_ids": IDS[1:]}
    with coterie.observe(model) as before:
        first = model.generate(**prompt, **settings)
    said = torch.cat([first.sequences[:, -2:], torch.tensor([[40, 41, 42]])], 1)
    whole = dict(prompt)
    for name, value in prompt.items():
        if value.shape[:2] == prompt["input_ids"].shape:
            more = torch.full_like(said, int(name == "attention_mask"))
            if value.ndim > 2:  # Mllama's mask of pictures: as of the last token
                more = value[:, -1:].expand(-1, said.shape[1], *value.shape[2:])
            whole[name] = torch.cat([value, said if name == "input_ids" else more], 1)
    shape = whole["input_ids"].shape
    text = {name: value for name, value in whole.items() if value.shape[:2] == shape}
    with coterie.observe(model) as after:
        second = model.generate(**text, **{CACHE: first[CACHE]}, **settings)
    if decides_by_prompt:
        for name, routing in after.items():
            assert routing.weights[0].equal(before[name].weights[0])
        return
    wanted = model.generate(**whole, **settings)
    torch.testing.assert_close(second.logits, wanted.logits, atol=1e-3, rtol=1e-3)


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
