"""Engines on tiny runs whose answers differ by task and by question."""

from pathlib import Path

import coterie
from coterie.data.sample import TextSample
from coterie.serve.engine import InferenceEngine
from coterie.tasks.text.generation import predict
from coterie.train.run import Run
from tests.evaluate.runs import run, says, task
from tests.tuner.checks import awake


def two_tasks(folder: Path) -> Run:
    """A run of the tasks yes and no, with experts of their own."""
    tasks = tuple(task(folder, name, says(name)) for name in ("yes", "no"))
    return run(folder / "two", tasks, recipe=coterie.recipes.moelora())


def load(made: Run, **options: int) -> InferenceEngine:
    """The run with experts that change the answers."""
    engine = InferenceEngine.from_run(made.folder, device="cpu", **options)
    awake(engine.loaded.model, scale=0.3)
    return engine


def answer_alone(engine: InferenceEngine, samples: list[TextSample], tokens: int) -> list[str]:
    """The answers as evaluation has them, one prompt at a time."""
    given = {"batch_size": 1, "max_new_tokens": tokens}
    return [predict(engine.loaded, engine.collator, [each], **given)[0][0] for each in samples]
