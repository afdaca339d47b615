"""Tiny runs made by hand: a folder each, with a plan, an adapter, a base and rows."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from transformers import AutoModelForCausalLM

import coterie
from coterie.data.chat_template import make_template
from coterie.data.sample import Message, TextSample
from coterie.recipe import Recipe
from coterie.tasks.frozen_tasks import FrozenTasks
from coterie.tasks.text.task import TextTask
from coterie.tasks.text.task_set import TextTasks
from coterie.train.config import RunConfig
from coterie.train.run import Run
from tests.tinies.base import tokenizer
from tests.tinies.text import llama

Row = Callable[[int], dict[str, str]]


def says(word: str) -> Row:
    """Rows whose answer is always `word`."""
    return lambda number: {"question": f"what is {number}?", "answer": word}


def task(folder: Path, name: str, row: Row, *, count: int = 12) -> TextTask:
    """A task of `count` rows, the same in "train" and "test"."""
    lines = "".join(json.dumps(row(number)) + "\n" for number in range(count))
    (folder / f"{name}.jsonl").write_text(lines)
    rows = {"train": f"{name}.jsonl", "test": f"{name}.jsonl"}
    return TextTask(name=name, rows=rows, folder=str(folder), max_new_tokens=3)


@cache
def base() -> Path:
    """A folder with a tiny Llama and its tokenizer, saved once; no test changes it."""
    folder = Path(mkdtemp(prefix="coterie-base-"))
    words = tokenizer()
    words.chat_template = make_template()
    words.save_pretrained(folder)
    llama().model.save_pretrained(folder)
    return folder


def small(recipe: Recipe | None = None) -> Recipe:
    """RoDE with two small experts at the MLPs."""
    return recipe or coterie.recipes.rode(ranks=(1, 3), at=("text.mlp",))


def run(
    folder: Path, tasks: tuple[TextTask, ...], *, seed: int = 0, recipe: Recipe | None = None
) -> Run:
    """A run as it is after training, its weights drawn instead of trained."""
    folder.mkdir(parents=True)
    plan = RunConfig(
        recipe=small(recipe), base=str(base()), tasks=TextTasks(tasks=tasks), seed=seed
    )
    torch.manual_seed(seed)
    model = coterie.graft(
        AutoModelForCausalLM.from_pretrained(base()), plan.recipe.mixtures,
        tasks=[task.name for task in tasks],
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".up"):
                parameter.normal_(std=0.1)
    model.save_pretrained(folder / "adapter")
    (folder / "run.json").write_text(plan.dumps())
    (folder / "log.jsonl").write_text(
        '{"step": 1, "time_s": 2.0, "samples": 8}\n{"step": 2, "time_s": 4.0, "samples": 16}\n'
    )
    return Run.read(folder)


def scored(
    folder: Path,
    right: dict[str, list[bool]],
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    split: str = "test",
    control: str = "",
    frozen: FrozenTasks | None = None,
) -> Run:
    """A run that was evaluated: of each task, which samples it has right."""
    from coterie.evaluate.predictions import write_predictions
    from coterie.evaluate.scores import Scores, TaskScore
    from coterie.tasks.text.prediction_rows import make_rows
    from coterie.train.run_directory import RunDirectory

    tasks = tuple(TextTask(name=name, rows={"test": "rows.jsonl"}) for name in right)
    task_set = TextTasks(tasks=tasks, frozen=frozen)
    plan = RunConfig(recipe=small(recipe), base="tiny", tasks=task_set, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(plan.dumps())
    found, directory = {}, RunDirectory(folder)
    for task in tasks:
        samples = [sample(task.name, number) for number in range(len(right[task.name]))]
        answers = ["yes" if each else "no" for each in right[task.name]]
        rows = make_rows(samples, answers)
        _, statistics = task.metric.compute_statistics(rows)
        write_predictions(directory.predictions_file(split, task.name, control), rows, statistics)
        found[task.name] = TaskScore.from_statistics(task.metric, statistics, task=task.name)
    cost = {"trainable_parameters": 1000, "generate_samples_per_s": 2.0}
    made = Run.read(folder)
    scores = Scores(split=split, tasks=found, cost=cost, control=control)
    scores.save(directory.scores_file(control))
    return made


def sample(task: str, number: int) -> TextSample:
    """A question whose answer is yes."""
    return TextSample(
        task=task,
        messages=(Message(role="user", parts=(f"is {number} a number?",)),),
        answers=("yes",),
        source=f"rows.jsonl:{number + 1}",
    )
