"""`write_card`: the README.md of an extracted folder, of the run's own numbers."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coterie.evaluate.scores import Scores
from coterie.io import write
from coterie.train import Run
from coterie.train.environment import get_versions
from coterie.train.model_card import escape_markdown

FILE = "README.md"
LIBRARIES = {"adapter": "peft", "adapters": "peft", "router": "peft", "onnx": "onnx"}
"""Format -> what the hub takes it for; the others are of transformers."""
USES = {
    "adapter": 'peft.PeftModel.from_pretrained(base_model, "this folder")',
    "adapters": 'peft.PeftModel.from_pretrained(base_model, "this folder/expert-1", '
    'adapter_name="expert-1")  # and so on; the tasks\' weights are in scales.json',
    "router": 'route.PromptRouter("this folder")(mean)  # of route.py: the weights of the LoRAs',
    "onnx": 'onnxruntime.InferenceSession("this folder/model.onnx")',
    "gguf": "llama-server -m model.gguf",
}
TEXT = """---
{front}---

# {title}

{what}, extracted by the Python package coterie from a mixture of experts for the base model
`{base}`{recipe}.{standing}

```
{use}
```

| | |
|---|---|
{facts}
"""


def write_card(folder: Path, report: Mapping[str, Any], run: Run | None) -> None:
    """Write the card of an extracted folder, whose coterie_extract.json is `report`."""
    base, tasks = name_base(report), describe_tasks(report)
    recipe = ""
    if run is not None:
        recipe = f", trained with the recipe `{escape_markdown(run.config.recipe.name)}`"
    format = report["form"]
    use = USES.get(format, f'{report.get("class", "AutoModel")}.from_pretrained("this folder")')
    text = TEXT.format(
        front="".join(
            f"{key}: {json.dumps(value)}\n" for key, value in list_metadata(report, format).items()
        ),
        title=escape_markdown(f"{tasks}, from {base}"),
        what=f"The task {escape_markdown(tasks)}" if report["task"] else "All tasks",
        base=escape_markdown(base),
        recipe=recipe,
        standing="" if format == "pruned" else " It runs without coterie.",
        use=use,
        facts="\n".join(f"| {name} | {value} |" for name, value in list_facts(report, run)),
    )
    write(folder / FILE, text.rstrip() + "\n")


def name_base(report: Mapping[str, Any]) -> str:
    """Return the base model's hub id, or the last part of a folder's path."""
    base = str(report["base_model_name_or_path"] or "unknown")
    return base if is_hub_id(base) else Path(base).name


def is_hub_id(base: str) -> bool:
    """Return whether a base model's name is one of the hub's, and no folder here."""
    return base.count("/") == 1 and not base.startswith(("/", ".", "~")) and not Path(base).exists()


def describe_tasks(report: Mapping[str, Any]) -> str:
    """Return the task, or all of them."""
    return report["task"] or ", ".join(report["tasks"]) or "all tasks"


def list_metadata(report: Mapping[str, Any], format: str) -> dict[str, Any]:
    """Return what the hub reads."""
    found: dict[str, Any] = {"library_name": LIBRARIES.get(format, "transformers")}
    if is_hub_id(str(report["base_model_name_or_path"])):
        found["base_model"] = report["base_model_name_or_path"]
    return found | {"tags": ["coterie", "multi-task-learning"]}


def list_facts(report: Mapping[str, Any], run: Run | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line of the table."""
    if run is not None and run.directory.scores_file().is_file():
        yield from list_scores(Scores.read(run.folder), report["task"])
    for key, what in (
        ("weight_error", "largest error of a weight, by the largest"),
        ("probe_error", "largest error of an output, by the largest"),
        ("router_error", "largest error of an expert's weight"),
    ):
        if key in report:
            yield what, f"{report[key]:.1e}"
    for key in ("rank", "vllm", "class", "parameters"):
        if key in report:
            yield key, str(report[key])
    yield "written with", ", ".join(get_versions())


def list_scores(scores: Scores, task: str | None) -> Iterator[tuple[str, str]]:
    """Yield the mixture's scores of the task, or of all tasks for None."""
    for name, score in scores.tasks.items():
        if task in (None, name):
            unit = f" {score.unit}" if score.unit else ""
            seen = scores.trained_on.get(name)
            yield (
                f"{escape_markdown(name)}: {escape_markdown(score.metric)} of the mixture",
                f"{score.score:.4g}{unit} ({score.low:.4g} to {score.high:.4g}, 95 %) on "
                f"{score.samples} samples of {scores.split}"
                + (f", {seen.count} of which were trained on" if seen else ""),
            )
