"""A study from rows to a report: what it makes, that it goes on where it stopped, what it refuses.

Two tasks of six rows, a Llama of two layers, two steps of four samples.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coterie.study.study import Study, StudyResult, plan_study

FOLDERS = ("moelora", "shared_lora", "single_task-first", "single_task-second")


def plan(user: Path, out: str, said: list[str], **options: Any) -> Study:
    settings = {"steps": 2, "batch_size": 4, **options.pop("settings", {})}
    diagnosis = {"batches": 2, "batch_size": 2}
    return plan_study(
        user / "model", user / "data" / "tasks.yaml", out=user / out, device="cpu", limit=2,
        diagnosis=diagnosis, report_progress=said.append, settings=settings, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(user: Path) -> tuple[StudyResult, list[str]]:
    """A study that was not interrupted, and what it said."""
    said: list[str] = []
    return plan(user, "whole", said).run(), said


@pytest.mark.slow  # tests/demo/test_showcase.py runs one, too
def test_what_it_makes_and_says(user: Path, whole: tuple[StudyResult, list[str]]) -> None:
    result, said = whole
    assert result.report == user / "whole" / "report.html" and result.report.is_file()
    table = json.loads((user / "whole" / "table.json").read_text())
    assert [row["system"] for row in table["rows"]] == [
        "single_task", "shared_lora", "moelora", "untrained"
    ]  # fmt: skip
    assert table["baseline"] == "single_task" and result.headline.startswith("moelora")
    # As many steps alone as together: 2 = 1 + 1.
    assert said[:4] == [
        f"study of 3 systems on first, second, from {user / 'model'}, in {user / 'whole'}",
        "  shared_lora: 2 steps of 4 samples, seed 0",
        "  single_task: 1 + 1 steps of 4 samples, seed 0",
        "  moelora: 2 steps of 4 samples, seed 0",
    ]
    # tests/demo/test_showcase.py has the sum for a rank of 32 in 14 maps; two tasks' logits of
    # eight experts in each are 224, which is 0.7 %.
    sizes = "shared_lora 32,768, single_task 32,768, moelora 32,992"
    assert said[4] == f"trainable parameters: {sizes}; of equal size"
    assert said[5].startswith("6 steps to train, about ") and "measured step" in said[5]
    parts = [line for line in said if line.startswith("[")]
    assert parts[0] == "[1/13] diagnose: do the tasks pull in different directions?"
    assert parts[1:5] == [
        f"[{number}/13] train {name}"
        for number, name in enumerate(("shared_lora", *FOLDERS[2:], "moelora"), 2)
    ]
    assert parts[5] == "[6/13] evaluate shared_lora untrained"
    assert parts[-1] == "[13/13] compare and report"
    assert parts[-3:-1] == [
        f"[{number}/13] diagnose {name}: is the conflict gone?"
        for number, name in ((11, "shared_lora"), (12, "moelora"))
    ]
    after_first = said[said.index(parts[2]) - 1]
    assert (
        "trained 2 steps; loss" in after_first
        and "and the time to evaluate and report left" in (after_first)
    )


@pytest.mark.slow
def test_stopped_anywhere_it_ends_with_the_same_table(
    user: Path, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second training, in the third evaluation and in the report."""

    def stop_at(name: str, call: int) -> None:
        module = import_module("coterie.study.study")  # the package has its function
        real, calls = getattr(module, name), []

        def stopped(*args: Any, **options: Any) -> Any:
            calls.append(args)
            if len(calls) == call:
                raise KeyboardInterrupt
            return real(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, stopped)
            with pytest.raises(KeyboardInterrupt):
                plan(user, "cut", []).run()

    stop_at("train_from_config", 2)
    stop_at("evaluate", 3)
    stop_at("report", 1)
    said: list[str] = []
    plan(user, "cut", said).run()
    assert said[5] == "all models are trained"
    assert sum(line.startswith("   done before") for line in said) == 12  # all but the report

    def read(out: str) -> Any:
        table = json.loads((user / out / "table.json").read_text())
        for row in table["rows"]:  # what no two machines share
            row["cost"] = {k: v for k, v in row["cost"].items() if k.endswith("parameters")}
        return table

    assert read("cut") == read("whole")


@pytest.mark.slow
def test_remedies_side_by_side(user: Path) -> None:
    said: list[str] = []
    plan(user, "remedies", said, recipes=["remedies"], settings={"steps": 3}).run()
    names = [
        "shared_lora", "single_task", "shared_lora_pcgrad", "shared_lora_upgrad", "soft_lora",
        "moelora", "hydra_lora", "rode", "dual_lora", "awaker",
    ]  # fmt: skip
    table = json.loads((user / "remedies" / "table.json").read_text())
    ordered = ["single_task", "shared_lora", *names[2:], "untrained"]  # the baseline first
    assert [row["system"] for row in table["rows"]] == ordered
    assert all(len(row["tasks"]) == 2 for row in table["rows"])
    costs = {row["system"]: row["cost"] for row in table["rows"]}
    del costs["untrained"], costs["single_task"]  # one LoRA for each of two tasks
    sizes = {name: cost["trainable_parameters"] for name, cost in costs.items()}
    assert max(sizes.values()) <= 1.02 * sizes["shared_lora"], sizes
    assert min(sizes.values()) >= 0.98 * sizes["shared_lora"], sizes
    steps = [line for line in said if " steps of 4 samples" in line]
    assert [line.split(":")[1].split(" of")[0] for line in steps] == [
        " 2 + 1 steps" if name == "single_task" else " 3 steps" for name in names
    ]
