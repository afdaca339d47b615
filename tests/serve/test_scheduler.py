"""Answers that join others are those of one at a time: of every family, gate and kind of cache."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
)

import coterie
from coterie import InstanceGate, Mixture, TaskGate, TokenGate, TopK
from coterie.models.loading import LoadedModel
from coterie.routing.gates.base import Gate
from coterie.serve.answer_text import AnswerText
from coterie.serve.decoding_rows import DecodingRows
from coterie.serve.job import Job, Piece
from coterie.serve.sampling import Sampling
from coterie.serve.scheduler import QueueFullError, Scheduler, count_padded_tokens
from coterie.tasks.text.generation import GREEDY
from tests.tinies.base import tokenizer
from tests.tiny import TINY
from tests.tuner.checks import TASKS, awake, grafted

FAST = {"llava", "qwen2_vl"}
FAMILIES = [name for name in TINY if "input_ids" in TINY[name]().batch and TINY[name]().alone]
GATES = [TaskGate(), TaskGate(per_token=False), InstanceGate(pool="hidden", init_std=1.0)]
LENGTHS = (6, 2, 4, 5, 3, 1)
SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip


def llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def windowed() -> Any:
    """A model whose own cache forgets what is more than 4 tokens ago."""
    types = ["sliding_attention", "full_attention"]
    config = Gemma3TextConfig(**SIZES, head_dim=8, sliding_window=4, layer_types=types)
    return Gemma3ForCausalLM(config)


def state_space() -> Any:
    """A model whose state has no tokens to pad."""
    return MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4)
    )


def texts(count: int = 6) -> list[dict[str, Tensor]]:
    """Prompts of 5, 9, 2 ... tokens, of both tasks in turn."""
    found = []
    for number, length in zip(range(count), (5, 9, 2, 7, 12, 1) * 9, strict=False):
        ids = torch.randint(3, 60, (1, length))
        task = torch.tensor([number % 2])
        found.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "task_ids": task})
    return found


def graft(model: Any, gate: Gate, at: str = "text.mlp") -> Any:
    grafted = coterie.graft(model, Mixture(at=at, gate=gate, router=TopK(k=1)), tasks=TASKS)
    awake(grafted, scale=0.3)
    return grafted.eval()


def generate(model: Any, prompts: Sequence[dict[str, Tensor]]) -> list[list[int]]:
    """The tokens of transformers' own loop, one prompt at a time."""
    answers = []
    for prompt, length in zip(prompts, LENGTHS, strict=False):
        out = model.generate(**prompt, **GREEDY, max_new_tokens=length, pad_token_id=0)[0].tolist()
        answers.append(out[-length:])  # a model inside another returns no prompt
    return answers


def make_scheduler(model: Any, **options: int) -> Scheduler:
    model.get_base_model().generation_config.eos_token_id = None
    return Scheduler(LoadedModel(model, tokenizer(), ""), **options)


def make_jobs(prompts: Sequence[dict[str, Tensor]], **options: Any) -> list[Job]:
    return [
        Job(
            prompt=prompt,
            sampling=Sampling(max_tokens=length, **options),
            ends=frozenset(),
            text=AnswerText(str),
        )
        for prompt, length in zip(prompts, LENGTHS, strict=False)
    ]


def answer(scheduler: Scheduler, jobs: Sequence[Job]) -> list[list[int]]:
    """Answer jobs of which another comes before every token of the others."""
    for job in jobs:
        scheduler.submit([job])
        scheduler.step()  # it begins
        scheduler.step()
    while scheduler.step():
        pass
    errors = [job.error for job in jobs if job.error is not None]
    assert not errors and scheduler.is_idle, errors
    return [[each.token for each in job.chosen] for job in jobs]


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in FAMILIES],
)
@pytest.mark.parametrize("gate", GATES)
def test_pictures_of_every_family(family: str, gate: Gate) -> None:
    tiny = TINY[family]()
    model = grafted(tiny, Mixture(at="text.mlp", gate=gate, router=TopK(k=1)))
    awake(model, scale=0.3)
    alone = [{k: v for k, v in each.items() if k != "labels"} for each in tiny.alone]
    prompts = [
        {**each, "task_ids": torch.tensor([number % 2])} for number, each in enumerate(alone * 3)
    ]
    scheduler = make_scheduler(model, max_rows=4)
    wanted = generate(model, prompts)
    assert answer(scheduler, make_jobs(prompts)) == wanted
    joins = family not in ("mllama", "blip_2", "instructblip")
    assert scheduler.joins == joins


@pytest.mark.parametrize(
    ("make", "gate"),
    [
        *((llama, gate) for gate in (*GATES, TokenGate())),
        (windowed, GATES[0]),
        (windowed, GATES[2]),
    ],
)
def test_text_of_several_tasks_joins_in_the_middle(make: Any, gate: Gate) -> None:
    model, prompts = graft(make(), gate), texts()
    scheduler = make_scheduler(model, max_rows=4)
    wanted = generate(model, prompts)
    assert answer(scheduler, make_jobs(prompts)) == wanted
    # And all at once: two wait until there is a row, and the next begin together.
    jobs = make_jobs(prompts)
    scheduler.submit(jobs)
    assert answer(scheduler, []) == [] and scheduler.joins
    assert [[each.token for each in job.chosen] for job in jobs] == wanted


def test_a_state_without_tokens_is_answered_alone() -> None:
    model, prompts = graft(state_space(), InstanceGate(pool="hidden"), at=r".*out_proj"), texts(3)
    scheduler = make_scheduler(model)
    wanted = generate(model, prompts)
    assert answer(scheduler, make_jobs(prompts)) == wanted and not scheduler.joins


def test_a_model_without_mixtures() -> None:
    model, prompts = llama().eval(), texts()
    model.generation_config.eos_token_id = None
    scheduler = Scheduler(LoadedModel(model, tokenizer(), ""))
    plain = [{k: v for k, v in each.items() if k != "task_ids"} for each in prompts]
    assert answer(scheduler, make_jobs(prompts)) == generate(model, plain)


def test_a_generation_config_that_changes_logits() -> None:
    model, prompts = graft(llama(), TaskGate()), texts()
    model.get_base_model().generation_config.repetition_penalty = 1.7
    scheduler = make_scheduler(model)
    wanted = generate(model, prompts)
    # Its processors see all tokens of a row, so that padding must not be among them.
    assert answer(scheduler, make_jobs(prompts)) == wanted and not scheduler.joins


def test_tokens_that_are_never_generated() -> None:
    """The placeholders of an omni model; what forbids them sees no tokens."""
    model, prompts = graft(llama(), TaskGate()), texts()
    free = {token for answer in generate(model, prompts) for token in answer}
    model.get_base_model().generation_config.suppress_tokens = sorted(free)[:3]
    wanted = generate(model, prompts)
    assert free.intersection(*wanted) != free and not set(sorted(free)[:3]).intersection(*wanted)
    scheduler = make_scheduler(model)
    assert answer(scheduler, make_jobs(prompts)) == wanted and scheduler.joins
    drawn = [answer(scheduler, make_jobs(prompts, temperature=2.0, seed=3)) for _ in range(2)]
    assert drawn[0] == drawn[1] and not set(sorted(free)[:3]).intersection(*drawn[0])


def test_draws_do_not_depend_on_the_neighbours() -> None:
    model, prompts = graft(llama(), TaskGate()), texts()
    hot = {"temperature": 1.0, "seed": 3, "top_p": 0.9}
    together = answer(make_scheduler(model), make_jobs(prompts, **hot))
    alone = [answer(make_scheduler(model), [each])[0] for each in make_jobs(prompts, **hot)]
    assert together == alone != answer(make_scheduler(model), make_jobs(prompts))


def test_who_cancels_frees_a_row_and_the_others_go_on() -> None:
    model, prompts = graft(llama(), InstanceGate(pool="hidden", init_std=1.0)), texts()
    wanted = generate(model, prompts)
    scheduler, jobs = make_scheduler(model, max_rows=2), make_jobs(prompts)
    scheduler.submit(jobs)
    scheduler.step()
    scheduler.step()
    assert scheduler.num_running == 2
    jobs[0].is_cancelled = jobs[3].is_cancelled = True  # one runs, one waits
    while scheduler.step():
        assert scheduler.num_running <= 2
    assert [job.reason for job in jobs] == [
        "cancelled",
        *["length"] * 2,
        "cancelled",
        *["length"] * 2,
    ]
    assert [[each.token for each in jobs[row].chosen] for row in (1, 2, 4, 5)] == [
        wanted[row] for row in (1, 2, 4, 5)
    ]


def test_a_full_queue_takes_none() -> None:
    scheduler, jobs = make_scheduler(graft(llama(), TaskGate()), max_waiting=2), make_jobs(texts())
    with pytest.raises(QueueFullError):
        scheduler.submit(jobs[:3])
    scheduler.submit(jobs[:2])
    scheduler.give_up_all()
    assert not scheduler.step() or scheduler.is_idle
    assert [job.reason for job in jobs[:3]] == ["cancelled", "cancelled", None]


def test_what_fails_for_one_prompt_fails_no_other() -> None:
    model, prompts = graft(llama(), TaskGate()), texts()
    scheduler, wanted = make_scheduler(model), generate(model, prompts)
    prompts[2]["task_ids"] = torch.tensor([9])
    pieces: list[Piece] = []
    jobs = make_jobs(prompts)
    jobs[2].report = pieces.append
    scheduler.submit(jobs)
    while scheduler.step():
        pass
    assert [job.reason for job in jobs] == ["error" if row == 2 else "length" for row in range(6)]
    assert "task_ids has 9" in str(jobs[2].error) and pieces[-1].error is jobs[2].error
    others = [row for row in range(6) if row != 2]
    assert [[each.token for each in jobs[row].chosen] for row in others] == [
        wanted[row] for row in others
    ]


def test_a_model_that_breaks_between_two_tokens_goes_on_with_new_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, prompts = graft(llama(), TaskGate()), texts()
    scheduler, jobs = make_scheduler(model), make_jobs(prompts)
    scheduler.submit(jobs[:1])
    scheduler.step()
    with monkeypatch.context() as broken:
        broken.setattr(DecodingRows, "compute_logits", lambda rows: 1 / 0)
        scheduler.step()
    assert isinstance(jobs[0].error, ZeroDivisionError) and scheduler.is_idle
    assert answer(scheduler, jobs[1:2]) == generate(model, prompts)[1:2]


def list_events(scheduler: Scheduler, jobs: Sequence[Job]) -> list[list[int]]:
    """The jobs that got a token, of each step until the first two are answered."""
    events = []
    while any(job.reason is None for job in jobs[:2]):
        before = [len(job.chosen) for job in jobs]
        scheduler.step()
        events.append([n for n, job in enumerate(jobs) if len(job.chosen) > before[n]])
    return events


def make_ready(**options: int) -> Scheduler:
    """A scheduler that has seen that prompts may begin together."""
    scheduler = make_scheduler(graft(llama(), TaskGate()), **options)
    answer(scheduler, make_jobs(texts(1)))
    assert scheduler.joins
    return scheduler


def test_prompts_go_first_and_begin_in_their_order() -> None:
    scheduler, jobs = make_ready(max_rows=4, max_prefill_tokens=20), make_jobs(texts())
    scheduler.submit(jobs)  # prompts of 5, 9, 2, 7, 12 and 1 tokens, answers of 6, 2, 4, 5, 3, 1
    assert list_events(scheduler, jobs) == [
        [0, 1],  # 2 * 9 = 18 tokens with padding; a third makes 27
        [2, 3],  # 2 * 7 = 14, and now four rows are full
        [0, 1, 2, 3],  # answer 1 is whole
        [4],  # in its row
        [0, 2, 3, 4],
        [0, 2, 3, 4],  # answers 2 and 4 are whole: of 4 and 3 tokens
        [5],  # whole with its first token
        [0, 3],
        [0],
    ]


def test_a_stream_of_prompts_does_not_starve_the_answers() -> None:
    scheduler = make_ready(max_prefill_tokens=9, max_prompt_tokens=10)
    jobs = make_jobs(texts())
    scheduler.submit(jobs)
    assert list_events(scheduler, jobs) == [
        [0],  # 5 tokens; 2 * 9 = 18 with the next
        [1],  # 9, now 14 of 10: the others' turn
        [0, 1],
        [2],  # 2; 2 * 7 = 14 with the next
        [3],  # 7, now 9
        [4],  # 12, longer than all that may begin together: alone, now 21
        [0, 2, 3, 4],
        [5],  # 1
        [0, 2, 3, 4],
        [0, 2, 3],
        [0, 3],
    ]


def test_prompts_of_another_shape_begin_apart_and_are_not_forgotten() -> None:
    scheduler = make_ready()
    prompts = texts(4)
    for number in (1, 2):
        prompts[number] = {**prompts[number], "unread": torch.zeros(1, number)}
    jobs = make_jobs(prompts)
    for job in jobs:
        scheduler.submit([job])
    taken = [scheduler._take_newcomers() for _ in range(4)]
    assert taken == [[jobs[0], jobs[3]], [jobs[1]], [jobs[2]], []]


def test_several_answers_to_a_prompt_count_its_tokens_once() -> None:
    one, two = texts(2)
    assert count_padded_tokens(make_jobs([one, one, two, one])) == 18  # of 5 and 9 tokens
