"""The demo's plan, on a tiny model: what it makes, what it does once, what it refuses."""

import json
from pathlib import Path

import pytest

from coterie.tasks import TextTask, TextTasks
from coterie_demo import showcase
from coterie_demo.showcase import Showcase
from tests.cli.folders import llama_folder, text_tasks

AT = ("text.attn", "text.mlp")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and tasks; batches are small."""
    llama_folder(tmp_path / "model")
    text_tasks(tmp_path / "data")
    monkeypatch.setattr(showcase, "BATCH_SIZE", 4)
    monkeypatch.setattr(showcase, "EVALUATION_LIMIT", 2)
    return tmp_path


def shown(folder: Path, said: list[str], steps: int = 2) -> Showcase:
    base, tasks = str(folder / "model"), str(folder / "data" / "tasks.yaml")
    return Showcase(
        out=str(folder / "demo"),
        steps=steps,
        report_progress=said.append,
        base=base,
        tasks=tasks,
        at=AT,
    )


def test_from_nothing_to_a_report_and_again(small: Path) -> None:
    said: list[str] = []
    result = shown(small, said).run()
    page = small / "demo" / "report.html"
    assert result.report == page and "coterie demo --steps 2" in page.read_text()
    table = json.loads((small / "demo" / "table.json").read_text())
    systems = [row["system"] for row in table["rows"]]
    # Rows of text have no blind control.
    assert systems == ["single_task", "shared_lora", "moelora", "untrained"]
    assert table["baseline"] == "single_task"
    assert (small / "demo" / "table.md").read_text() == result.table.to_markdown()
    # Llama of width 32, 16 for keys and values, 64 in the MLP: the seven maps of a layer have
    # inputs and outputs of 2 * 64 + 2 * 48 + 3 * 96 = 512 together. Two layers: 2 * 32 * 512; and
    # in each of 14 maps two tasks' weights of eight experts.
    assert "trainable parameters: shared_lora 32,768, single_task 32,768, moelora" in said[4]
    assert f"moelora {32768 + 14 * 2 * 8:,};" in said[4]
    assert "[2/14] run the frozen layers once over the rows" in said

    weights = small / "demo" / "moelora" / "adapter" / "adapter_model.safetensors"
    conflict = small / "demo" / "conflict.json"
    before = weights.stat().st_mtime_ns, conflict.stat().st_mtime_ns
    shown(small, said := []).run()
    assert (weights.stat().st_mtime_ns, conflict.stat().st_mtime_ns) == before
    assert sum("done before" in line for line in said) == 13  # all but the report


def test_wrong_steps_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"^steps=0: it must be at least 1$"):
        Showcase(out="demo", steps=0)


def test_tasks_that_could_not_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        TextTask(name=name, rows={"train": "rows.jsonl"}) for name in ("chart", "naming", "group")
    ]
    monkeypatch.setattr(showcase, "read_tasks", lambda path: TextTasks(tasks=tuple(there)))
    fetched: list[object] = []
    monkeypatch.setattr(showcase, "fetch", lambda only, **given: fetched.append((only, given)))
    said: list[str] = []
    tasks = Showcase(out="demo", report_progress=said.append).select_tasks()
    assert tasks.names == ("naming", "group", "chart")
    assert fetched == [(["pantry"], {"tasks": showcase.FALLBACK_TASKS, "log": said.append})]
    # What replaces a task keeps its own question.
    assert [task.prompt for task in tasks.tasks] == ["Answer.", "Answer.", "{question}"]
    missing = "images or sounds could not be fetched"
    assert [line.strip() for line in said] == [
        f"without food_group, whose {missing}, with chart in its place",
        f"without energy, whose {missing}",
    ]


def test_sizes_must_be_equal(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showcase, "RANK", 33)
    said = r"systems of equal size are compared: .*lora 33,792, .*moelora 32,992; not of equal"
    with pytest.raises(ValueError, match=said):
        shown(small, []).run()
