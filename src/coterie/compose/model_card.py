"""`write_model_card`: the README.md of a composed run's adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.io import write
from coterie.train.adapter_weights import count_saved_parameters
from coterie.train.config import RunConfig
from coterie.train.environment import get_versions
from coterie.train.model_card import FILE, escape_markdown, list_metadata

TEXT = """---
{front}---

# {count} runs composed

An adapter of the Python package coterie for the base model `{base}`, composed without training of
runs that were trained apart. It has {size} parameters.

| run | recipe | modalities | weight for text | tasks |
|---|---|---|---|---|
{rows}

Tokens of text go through the {merge}; media={media!r}. Versions: {versions}.

## Use

```python
import coterie  # registers the PEFT method
import peft

model = peft.PeftModel.from_pretrained(base_model, "this folder")
```
"""
MERGES = {
    "sum": "weighted sum of the runs' experts",
    "mean": "product of the runs' mean factors",
    "ties": "product of the runs' factors, merged by TIES",
}


def write_model_card(folder: Path, config: RunConfig, record: Mapping[str, Any]) -> None:
    """Write the card of the adapter in `folder`, of what the composition's file holds."""
    rows = [
        f"| {escape_markdown(run['folder'])} | {escape_markdown(run['recipe'])} "
        f"| {', '.join(run['modalities'])} | {run['weight']:.3g} "
        f"| {escape_markdown(', '.join(run['tasks']))} |"
        for run in record["runs"]
    ]
    text = TEXT.format(
        front=list_metadata(config), count=len(rows), base=escape_markdown(config.base),
        size=f"{count_saved_parameters(folder):,}", rows="\n".join(rows),
        merge=MERGES[record["text"]], media=record["media"], versions=", ".join(get_versions()),
    )  # fmt: skip
    write(folder / FILE, text)
