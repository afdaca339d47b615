"""Routing that is recorded in a shared batch is that of each answer's tokens alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import coterie
from coterie.recipe import Recipe
from coterie.serve import routing_record
from coterie.serve.engine import InferenceEngine
from coterie.serve.job import Job
from coterie.serve.routing_record import RoutedLayer, list_routed_layers, record_routing
from coterie.serve.sampling import Sampling
from tests.evaluate.runs import run, says, task
from tests.serve.engines import load

QUESTIONS = ("is 1 a cat?", "what is 22 and what is 7 or is it?", "is it?")
LENGTHS = (3, 5, 8)  # so that rows leave one after another
RECIPES = {
    "by token": coterie.recipes.rode(ranks=(1, 3), at=("text.mlp",)),
    "by task": coterie.recipes.moelora(at=("text.mlp",)),
    "by prompt": coterie.recipes.awaker(),
}


def make_engine(folder: Path, recipe: Recipe) -> InferenceEngine:
    tasks = tuple(task(folder, name, says(name)) for name in ("yes", "no"))
    return load(run(folder / "run", tasks, recipe=recipe), max_rows=4)


def submit(engine: InferenceEngine, *, records: bool) -> list[Job]:
    jobs = []
    for number, (question, length) in enumerate(zip(QUESTIONS, LENGTHS, strict=True)):
        sample = engine.make_prompt(("yes", "no")[number % 2]).ask(question)
        given: dict[str, Any] = {"records_routing": records and number != 1}
        jobs.append(engine.make_job(sample, Sampling(max_tokens=length), **given))
    engine.scheduler.submit(jobs)
    while engine.scheduler.step():
        pass
    return jobs


def trace_alone(engine: InferenceEngine, job: Job) -> Mapping[str, Tensor]:
    """The weights of the prompt and the answer but for its last token, in one forward pass."""
    answer = torch.tensor([[each.token for each in job.chosen[:-1]]])
    ids = torch.cat([job.prompt["input_ids"], answer], 1)
    prompt_mask = torch.arange(ids.shape[1])[None] < job.prompt_tokens
    model: Any = engine.loaded.model
    with torch.no_grad(), coterie.observe(model) as tape:
        turns = F.pad(job.prompt["instruction_mask"], (0, answer.shape[1]))
        given = {"task_ids": job.prompt["task_ids"], "instruction_mask": turns}
        model(input_ids=ids, prompt_mask=prompt_mask, **given)
    return {name: each.weights for name, each in tape.items()}


@pytest.mark.parametrize("kind", RECIPES)
def test_it_is_that_of_each_answer_alone(kind: str, tmp_path: Path) -> None:
    engine = make_engine(tmp_path, RECIPES[kind])
    jobs = submit(engine, records=True)
    assert not jobs[1].routing  # nobody asked for its
    for job in (jobs[0], jobs[2]):
        alone = trace_alone(engine, job)
        read = [token for each in job.routing for token in each.ids]
        assert read == job.prompt["input_ids"][0].tolist() + [
            each.token for each in job.chosen[:-1]
        ]
        layers = list(job.routing[0].weights)
        assert [layer.name for layer in layers] == list(alone)
        for layer in layers:
            assert layer.by_token == (kind == "by token")
            passes = [each.weights[layer] for each in job.routing]
            found = torch.cat(passes) if layer.by_token else passes[0]
            torch.testing.assert_close(found, alone[layer.name], atol=1e-5, rtol=1e-5)
            if kind != "by token":  # softmax, or one expert and its complement
                assert found.shape[0] == 1
        if kind == "by task":
            assert all(each.sum().item() == pytest.approx(1) for each in alone.values())


def test_the_answers_are_the_same_without_it(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, RECIPES["by token"])
    plain, recorded = (submit(engine, records=records) for records in (False, True))
    assert [job.text.text for job in plain] == [job.text.text for job in recorded]


def test_tokens_beyond_the_most_have_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(tmp_path, RECIPES["by token"])
    [width] = {sum(each.experts for each in list_routed_layers(engine.loaded.model))}
    prompt_tokens = engine.make_job(engine.make_prompt("yes").ask(QUESTIONS[0])).prompt_tokens
    monkeypatch.setattr(routing_record, "MAX_WEIGHTS", (prompt_tokens + 1) * width)
    job = submit(engine, records=True)[0]
    counts = [len(next(iter(each.weights.values()))) for each in job.routing]
    assert counts == [prompt_tokens, 1, 0]  # three tokens were chosen, after two of the answer's


def test_a_model_without_gates_has_tokens_alone(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, coterie.recipes.shared_lora(at=("text.mlp",)))
    assert list_routed_layers(engine.loaded.model) == ()
    job = submit(engine, records=True)[0]
    assert [len(each.ids) for each in job.routing] == [job.prompt_tokens, 1, 1]
    assert not any(each.weights for each in job.routing)


def test_units_of_another_tower_are_no_tokens() -> None:
    layer = RoutedLayer("mlp", 2, by_token=True)
    split = routing_record._split_by_row
    weights = torch.arange(12.0).reshape(6, 2)
    assert [each.tolist() for each in split(weights, layer, 2, 3)] == [
        [[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]
    ]  # fmt: skip
    assert not split(weights, layer, 2, 2)  # two rows of two tokens are four
    assert not split(weights, layer._replace(by_token=False), 4, 1)
    with record_routing(torch.nn.Linear(1, 1), [None], 1):
        pass  # neither asked for nor grafted
