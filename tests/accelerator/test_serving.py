"""Answers in one batch on the device: as transformers generates them, one prompt at a time."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import coterie
from coterie import InstanceGate, Mixture, TaskGate, TokenGate, TopK
from coterie.models.loading import LoadedModel
from coterie.routing.gates.base import Gate
from coterie.serve.answer_text import AnswerText
from coterie.serve.job import Job
from coterie.serve.sampling import Sampling
from coterie.serve.scheduler import Scheduler
from coterie.tasks.text.generation import GREEDY
from tests.tinies.base import tokenizer
from tests.tuner.checks import TASKS, awake

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": None,
}  # fmt: skip


@pytest.mark.accelerator
@pytest.mark.parametrize("gate", [TaskGate(), InstanceGate(init_std=1.0), TokenGate()])
def test_tasks_share_a_batch(device: torch.device, gate: Gate) -> None:
    mixture = Mixture(at="text.mlp", gate=gate, router=TopK(k=1))
    model = coterie.graft(LlamaForCausalLM(LlamaConfig(**SIZES)), mixture, tasks=TASKS)
    awake(model, scale=0.3)
    model = model.to(device).eval()
    scheduler = Scheduler(LoadedModel(model, tokenizer(), ""), max_rows=4)
    jobs, wanted = [], []
    for number, length in enumerate((5, 9, 2, 7, 12, 1)):
        ids = torch.randint(3, 60, (1, length))
        task = torch.tensor([number % 2])
        prompt = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "task_ids": task}
        here = {name: each.to(device) for name, each in prompt.items()}
        tokens = 8 - number
        out = model.generate(**here, **GREEDY, max_new_tokens=tokens, pad_token_id=0)
        wanted.append(out[0, length:].tolist())
        sampling = Sampling(max_tokens=tokens, top_logprobs=0 if number % 2 else None)
        text = AnswerText(str)
        jobs.append(Job(prompt=prompt, sampling=sampling, ends=frozenset(), text=text))
        scheduler.submit(jobs[-1:])
        scheduler.step()
    while scheduler.step():
        pass
    assert [job.error for job in jobs] == [None] * 6
    assert [[each.token for each in job.chosen] for job in jobs] == wanted
