"""What `/v1/run` says of a served run: its tasks, what they read, and what a request may ask."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from coterie.serve.api.served_models import ServedModels
from coterie.serve.dense_engine import DenseEngine
from coterie.serve.limits import ServerLimits
from coterie.serve.routing_record import list_routed_layers
from coterie.serve.task_prompt import TaskPrompt
from coterie.tasks.text.task import TextTask
from coterie.train.run import Run
from coterie.tuner.forward_hooks import find_hook

NOT_OVER_HTTP = "video"


def describe_text_run(served: ServedModels) -> dict[str, Any]:
    """Describe a run whose tasks are answered in text."""
    engine = served.engine
    model: Any = engine.scheduler.model
    hook = find_hook(model)
    placeholders = () if hook is None else hook.family.get_placeholder_ids(model.config)
    tasks = [engine.get_task(name) for name in engine.run.task_names]
    return _describe(engine.run, served.limits) | {
        "kind": "text",
        "models": list(served.names),
        "reads": [name for name in placeholders if name != NOT_OVER_HTTP],
        "has_gates": bool(list_routed_layers(model)),
        "tasks": [_describe_task(task) for task in tasks],
    }


def describe_dense_run(engine: DenseEngine, run: Run, limits: ServerLimits) -> dict[str, Any]:
    """Describe a run whose tasks are maps of a picture."""
    names = [task.name for task in engine.select_tasks()]
    return _describe(run, limits) | {
        "kind": "dense",
        "models": names,
        "reads": ["image"],
        "has_gates": False,
        "tasks": [{"name": name, "reads": ["image"]} for name in names],
    }


def _describe(run: Run, limits: ServerLimits) -> dict[str, Any]:
    folder = run.folder.resolve()
    # What experiments call the folder of a repetition says little alone.
    name = f"{folder.parent.name}, {folder.name}" if "seed" in folder.name else folder.name
    return {"name": name, "recipe": run.config.recipe.name, "limits": asdict(limits)}


def find_modalities(task: TextTask) -> list[str] | None:
    """Find the modalities of a task's training rows; None where the rows are not on this disk."""
    with suppress(ValueError, OSError):
        if not any(place.startswith("hf:") for place in task.list_places("train")):
            return list(task.find_modalities())
    return None


def _describe_task(task: TextTask) -> Mapping[str, Any]:
    prompt = TaskPrompt(task=task)
    pieces = task.get_columns().split_template()
    others = [
        {"name": piece.column, "is_optional": piece.is_optional}
        for piece in pieces
        if piece.column and piece.column != task.question
    ]
    return {
        "name": task.name, "reads": find_modalities(task), "asks": prompt.needs_question,
        "columns": others, "prompt": task.prompt, "max_new_tokens": task.max_new_tokens,
    }  # fmt: skip
