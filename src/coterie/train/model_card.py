"""`write_model_card`: the README.md of a run's adapter, of the run's own facts."""

import html
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from coterie.io import write
from coterie.stage import Stage
from coterie.train.adapter_weights import count_saved_parameters
from coterie.train.config import RunConfig
from coterie.train.environment import get_versions

FILE = "README.md"
SPECIAL = re.compile(r"[|\[\]*~#\\]")
"""Characters that begin a link, an emphasis, a heading or another cell of a table."""
TEXT = """---
{front}---

# {recipe} on {tasks}

An adapter of the Python package coterie: a mixture of experts for the base model `{base}`,
trained on {count} with the recipe `{recipe}`{paper}. It has {size} trained parameters.

| | |
|---|---|
{facts}

## Use

```python
import coterie  # registers the PEFT method
import peft

model = peft.PeftModel.from_pretrained(base_model, "this folder")
```
{ids}
{departures}"""


def write_model_card(folder: Path, config: RunConfig, stages: Sequence[Stage]) -> None:
    """Write the card of the adapter in `folder`, in place of PEFT's form."""
    recipe, names = config.recipe, config.task_names
    departs = "".join(f"- {escape_markdown(each)}\n" for each in recipe.departures)
    text = TEXT.format(
        front=list_metadata(config),
        recipe=escape_markdown(recipe.name),
        base=escape_markdown(config.base),
        paper=f" ({escape_markdown(recipe.paper)})" if recipe.paper else "",
        tasks=escape_markdown(", ".join(names)),
        count="one task" if len(names) == 1 else f"{len(names)} tasks",
        size=f"{count_saved_parameters(folder):,}",
        facts="\n".join(f"| {name} | {value} |" for name, value in _list_facts(config, stages)),
        ids=f"\nTask ids, where a gate asks for them, count in this order: "
        f"{escape_markdown(', '.join(names))}.\n",
        departures=f"## Differences from the paper\n\n{departs}" if departs else "",
    )
    write(folder / FILE, text.rstrip() + "\n")


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in one line: names may come from anyone.

    Underscores within words have no meaning and stay. A code span shows what is escaped in it as
    it is, so backticks, which end one, become quotes.
    """
    escaped = html.escape(" ".join(text.split()).replace("`", "'"), quote=False)
    return SPECIAL.sub(r"\\\g<0>", escaped)


def list_metadata(config: RunConfig) -> str:
    """Return the front matter that the hub reads; a base model by its id there, if it has one."""
    lines = ["library_name: peft", "tags: [coterie, mixture-of-experts, multi-task-learning]"]
    if config.base.count("/") == 1 and not Path(config.base).exists():
        lines.append(f"base_model: {json.dumps(config.base)}")
    return "".join(f"{line}\n" for line in lines)


def _list_facts(config: RunConfig, stages: Sequence[Stage]) -> Iterable[tuple[str, str]]:
    for name in config.task_names:
        yield f"task `{escape_markdown(name)}`", escape_markdown(config.tasks.describe_task(name))
    for stage in stages:
        batch = config.get_global_batch_size(stage)
        rate = f"learning rate {stage.learning_rate:g}"
        length = f"{stage.steps:,} steps of {batch} samples"
        yield f"stage `{escape_markdown(stage.name)}`", f"{length}, {rate}"
    yield "precision", config.precision + (f", {config.quantize}" if config.quantize else "")
    yield "seed", str(config.seed)
    yield "versions", ", ".join(get_versions())
