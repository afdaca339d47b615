"""The demo's plan, on a tiny model: what it makes, what it does once, what it refuses."""

import json
from pathlib import Path

import pytest

from coterie.task_file import read_tasks
from coterie.tasks import TextTask, TextTasks
from coterie_demo import showcase
from coterie_demo.showcase import Showcase, build_recipes, count_trainable
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
    page = shown(small, said).run()
    assert page == small / "demo" / "report.html" and "coterie demo --steps 2" in page.read_text()
    table = json.loads((small / "demo" / "table.json").read_text())
    systems = [row["system"] for row in table["rows"]]
    assert systems[:2] == ["shared_lora", "moelora"] and "untrained" in systems
    assert {"shared_lora, blind", "moelora, blind"} <= set(systems)
    assert "| moelora" in said[-1] and (small / "demo" / "table.md").read_text() == said[-1]

    weights = small / "demo" / "moelora" / "adapter" / "adapter_model.safetensors"
    conflict = small / "demo" / "conflict.json"
    before = weights.stat().st_mtime_ns, conflict.stat().st_mtime_ns
    shown(small, said := []).run()
    assert (weights.stat().st_mtime_ns, conflict.stat().st_mtime_ns) == before
    assert any("done before" in line for line in said)


def test_other_steps_are_another_demo(small: Path) -> None:
    tasks = read_tasks(small / "data" / "tasks.yaml")
    recipe = build_recipes(AT)["moelora"]
    shown(small, []).train("moelora", recipe, tasks)
    with pytest.raises(ValueError, match="was started with another configuration"):
        shown(small, [], steps=3).train("moelora", recipe, tasks)


def test_tasks_that_could_not_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        TextTask(name=name, rows={"train": "rows.jsonl"}) for name in ("chart", "spoken", "group")
    ]
    monkeypatch.setattr(showcase, "read_tasks", lambda path: TextTasks(tasks=tuple(there)))
    said: list[str] = []
    tasks = Showcase(out="demo", report_progress=said.append).select_tasks()
    assert tasks.names == ("group", "chart", "spoken")
    missing = "images or sounds could not be fetched"
    assert [line.strip() for line in said] == [
        f"without food_group, whose {missing}, with chart in its place",
        f"without spoken_initial, whose {missing}",
        f"without spoken_question, whose {missing}",
    ]


def test_sizes_are_equal(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Llama of width 32, 16 for keys and values, 64 in the MLP: the seven maps of a layer have
    # inputs and outputs of 2 * 64 + 2 * 48 + 3 * 96 = 512 together. Two layers: 2 * 32 * 512; and
    # in each of 14 maps two tasks' weights of eight experts.
    sizes = count_trainable(str(small / "model"), build_recipes(AT), ["first", "second"])
    assert sizes == {"shared_lora": 32768, "moelora": 32768 + 14 * 2 * 8}
    monkeypatch.setattr(showcase, "RANK", 33)
    with pytest.raises(ValueError, match="differ by more than 1%: shared_lora 33,792, moelora 32,"):
        shown(small, []).run()
