"""Benchmark of answers to many prompts: one after another, and together, of one task or of all.

The model has the geometry of SmolLM2-135M with random weights and its own vocabulary. All forms
answer the same prompts, of 16 to 64 tokens, with the same number of tokens each. "one at a time" is
transformers' `generate` on the grafted model; the others are coterie's scheduler, whose "one task"
has the task of the first prompt for all, and "coterie" as many tasks as there are. A step is the
time of all answers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.benchmark import Benchmark, Row, Scale, Target, shaken
from benchmarks.timing import Times, clock_for
from coterie.experts.lora import Lora
from coterie.graft import graft
from coterie.mixture import Mixture
from coterie.models.loading import LoadedModel
from coterie.routing.gates.base import Gate
from coterie.routing.gates.instance import InstanceGate
from coterie.routing.gates.task import TaskGate
from coterie.routing.gates.token import TokenGate
from coterie.routing.routers.softmax import Softmax
from coterie.serve.answer_text import AnswerText
from coterie.serve.job import Job
from coterie.serve.sampling import Sampling
from coterie.serve.scheduler import Scheduler
from coterie.tasks.text.generation import GREEDY

ALONE, ONE_TASK, COTERIE = "one at a time", "one task", "coterie"
TASKS = tuple(f"task {number}" for number in range(8))
GATES: tuple[Gate, ...] = (TaskGate(per_token=False, init_std=1.0), TokenGate(), InstanceGate())


@dataclass(frozen=True, kw_only=True)
class Case:
    gate: Gate
    layers: int
    prompts: int
    tokens: int
    width: int = 576
    hidden: int = 1536
    vocabulary: int = 49152

    @property
    def name(self) -> str:
        size = f"{self.layers} layers d={self.width}, {self.prompts} prompts, {self.tokens} tokens"
        return f"{type(self.gate).__name__}, {size}"

    def build(self, device: torch.device) -> Any:
        """Return a model with eight experts at every linear layer of the MLPs."""
        config = LlamaConfig(
            vocab_size=self.vocabulary, hidden_size=self.width, intermediate_size=self.hidden,
            num_hidden_layers=self.layers, num_attention_heads=max(1, self.width // 64),
            num_key_value_heads=max(1, self.width // 192), pad_token_id=0, tie_word_embeddings=True,
        )  # fmt: skip
        torch.manual_seed(0)
        lora = Lora(ranks=(8,) * 8)
        mixture = Mixture(at="text.mlp", experts=lora, gate=self.gate, router=Softmax())
        model = graft(LlamaForCausalLM(config), mixture, tasks=TASKS)
        model.generation_config.eos_token_id = None  # all answers have the same length
        return shaken(model).to(device).eval()

    def make_prompts(self) -> list[dict[str, torch.Tensor]]:
        found = []
        for number in range(self.prompts):
            ids = torch.randint(3, self.vocabulary, (1, 16 + 16 * (number % 4)))
            task = torch.tensor([number % len(TASKS)])
            mask = torch.ones_like(ids)
            found.append({"input_ids": ids, "attention_mask": mask, "task_ids": task})
        return found


ROUNDS: dict[Scale, int] = {"tiny": 2, "quick": 3, "full": 3, "gpu": 5}


def make_cases(scale: Scale) -> Iterator[Case]:
    for gate in GATES:
        match scale:
            case "tiny":
                small = {"width": 64, "hidden": 64, "vocabulary": 64}
                yield Case(gate=gate, layers=1, prompts=4, tokens=2, **small)
            case "quick":
                yield Case(gate=gate, layers=6, prompts=16, tokens=8)
            case "full":
                yield Case(gate=gate, layers=30, prompts=16, tokens=16)
            case "gpu":
                yield Case(gate=gate, layers=30, prompts=64, tokens=64)


class Serving(Benchmark):
    """Answers to prompts of eight tasks, with eight LoRA experts at every MLP's linear layer."""

    name = "serving"

    def rows(self, scale: Scale, device: torch.device) -> Iterator[Row]:
        clock = clock_for(device)
        for case in make_cases(scale):
            steps = build_steps(case, device)
            steps[ONE_TASK]()  # the others ran when their answers were compared
            seconds: dict[str, list[float]] = {form: [] for form in steps}
            for _ in range(ROUNDS[scale]):
                for form, step in steps.items():
                    seconds[form].append(clock.seconds(step))
            times = Times(seconds)
            for form in steps:
                yield Row(
                    case=case.name, dtype="fp32", form=form, step_ms=times.median_ms(form),
                    step={base: times.ratio(form, base) for base in (ALONE, ONE_TASK)},
                    saved_mib=0.0,
                )  # fmt: skip

    def targets(self, rows: Iterable[Row]) -> list[Target]:
        mine = [row for row in rows if row.form == COTERIE]
        pairs = (
            ("all tasks together, of one at a time (worst)", ALONE, 0.5),
            ("all tasks together, of one task together (worst)", ONE_TASK, 1 / 0.9),
        )
        return [
            Target(what=what, limit=limit,
                   measured=max((row.step[base].median for row in mine), default=None))
            for what, base, limit in pairs
        ]  # fmt: skip


def build_steps(case: Case, device: torch.device) -> dict[str, Callable[[], object]]:
    """Return what each form does in a step, after checking that all give the same answers."""
    model, prompts = case.build(device), case.make_prompts()
    loaded = LoadedModel(model, SimpleNamespace(pad_token_id=0), case.name)
    length = case.tokens

    def answer_alone() -> list[list[int]]:
        found = []
        for prompt in prompts:
            batch = {name: each.to(device) for name, each in prompt.items()}
            out = model.generate(**batch, **GREEDY, max_new_tokens=length, pad_token_id=0)
            found.append(out[0, -length:].tolist())
        return found

    def answer(given: list[dict[str, torch.Tensor]]) -> list[list[int]]:
        scheduler = Scheduler(loaded, max_rows=case.prompts, max_waiting=case.prompts)
        jobs = [
            Job(prompt=prompt, sampling=Sampling(max_tokens=length), ends=frozenset(),
                text=AnswerText(lambda tokens: ""))
            for prompt in given
        ]  # fmt: skip
        scheduler.submit(jobs)
        while scheduler.step():
            pass
        return [[each.token for each in job.chosen] for job in jobs]

    one_task = [prompt | {"task_ids": torch.tensor([0])} for prompt in prompts]
    if answer(prompts) != answer_alone():
        raise AssertionError("answers of a batch are not those of one at a time")
    return {
        ALONE: answer_alone, ONE_TASK: lambda: answer(one_task), COTERIE: lambda: answer(prompts)
    }  # fmt: skip
