"""What was cut answers the same in a process without coterie."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from coterie.extract import extract
from tests.extract.grafted import TASKS, grafted
from tests.tiny import TINY

SCRIPT = Path(__file__).with_name("elsewhere.py")
FAMILIES, FORMS = ("llama", "qwen2_vl"), ("adapter", "merged")


def cases(folder: Path) -> Iterator[dict[str, Any]]:
    """Cuts each family in each form, each with the other task."""
    for family in FAMILIES:
        base = folder / family
        TINY[family]().model.save_pretrained(base)
        model, tiny = grafted(family)
        for task, form in enumerate(FORMS):
            to, known = folder / f"{family}-{form}", folder / f"{family}-{form}.pt"
            extract(model, task=TASKS[task], to=to, format=form)
            with torch.no_grad():
                logits = model(**tiny.batch, task_ids=torch.full((2,), task)).logits
            torch.save({"batch": tiny.batch, "logits": logits}, known)
            paths = {"base": str(base), "to": str(to), "known": str(known)}
            kind = type(tiny.model).__name__
            yield {"name": to.name, "kind": kind, "form": form, **paths}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Case -> largest difference, from one other process for all cases, for its imports' sake."""
    folder = tmp_path_factory.mktemp("elsewhere")
    torch.manual_seed(0)
    (folder / "cases.json").write_text(json.dumps(list(cases(folder))))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "errors.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_the_same_elsewhere(errors: dict[str, float], family: str, form: str) -> None:
    assert errors[f"{family}-{form}"] < 1e-5
