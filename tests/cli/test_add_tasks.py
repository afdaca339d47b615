import json
from pathlib import Path
from typing import Any

import pytest

from coterie import recipes
from coterie.cli.add_tasks import make_recipe
from coterie.train import Run
from tests.cli.calls import Calls
from tests.train.small import plain, trained


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("old"), plain(), steps=2)


def test_a_task_is_added(old: Run, tmp_path: Path, coterie: Calls) -> None:
    rows = [{"question": f"what is {i}?", "answer": str(i)} for i in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    file = tmp_path / "more.yaml"
    file.write_text("tasks:\n- name: number\n  rows: {train: rows.jsonl}\n")
    out = str(tmp_path / "new")
    given = ("add-tasks", str(old.folder), "--tasks", str(file), "--out", out)
    called = coterie(*given, "--steps", "2", "--set", "rank=2")
    assert called.code == 0, called.err
    assert "old tasks: the logits of 4 rows are bit-equal" in called.err
    assert called.out.endswith(f"next: coterie evaluate {out}\n")
    kind: Any = Run.read(out).config.recipe.mixtures[1].main
    assert kind.ranks == (2,) and kind.older_ranks == (2, 2)
    called = coterie(*given, "--set", "at=text.attn")
    assert called.code == 2 and "experts are at text.mlp: give the same" in called.err


def test_arguments_of_the_recipe() -> None:
    assert make_recipe(None, (), plain()) is None
    found = make_recipe(None, ("rank=2",), plain())
    assert found == recipes.pathweave(rank=2, at=("text.mlp",))
    assert make_recipe("shared_lora", (), plain()) == recipes.shared_lora()
    with pytest.raises(ValueError, match="--set width: the arguments of pathweave are: rank, "):
        make_recipe(None, ("width=2",), plain())
    with pytest.raises(ValueError, match="are: none, as it is a file"):
        make_recipe("recipe.json", ("rank=2",), plain())
