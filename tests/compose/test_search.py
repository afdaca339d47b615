"""Weights that are searched: the grid, the choice, and losses of real compositions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import coterie
from coterie.compose.search import Candidate, choose_best, compute_relative_losses, list_grid
from coterie.tasks import TextTasks
from tests.compose import runs


def test_the_grid_has_all_weights_that_sum_to_1() -> None:
    two = list_grid(2)
    assert len(two) == 11 and two[0] == (0, 1) and two[3] == (0.3, 0.7) and two[-1] == (1, 0)
    assert len(list_grid(3)) == 21 and len(list_grid(4)) == 35  # 7 over 2, 7 over 3
    assert all(sum(each) == pytest.approx(1) for each in (*list_grid(3), *list_grid(4)))
    with pytest.raises(ValueError, match="weights='search' is for 2 to 4 runs, and 5 are"):
        list_grid(5)


def test_a_task_of_large_losses_does_not_decide_alone() -> None:
    first = Candidate(weights=(1, 0), losses={"a": 10.0, "b": 0.3})
    second = Candidate(weights=(0, 1), losses={"a": 12.0, "b": 0.1})
    # (1 + 3) / 2 and (1.2 + 1) / 2.
    assert compute_relative_losses([first, second]) == pytest.approx([2.0, 1.1])
    assert choose_best([first, second]) is second


def test_the_search_is_saved_with_its_curve(tmp_path: Path) -> None:
    parents = [runs.equal(name) for name in ("pictures", "speech")]
    tasks = TextTasks(
        tasks=tuple(
            replace(each, rows={**each.rows, "validation": each.rows["test"]})
            for each in runs.select("pictures", "speech").tasks
        )
    )
    run = coterie.compose(
        parents, out=tmp_path / "run", weights="search", tasks=tasks, device="cpu"
    )
    record = json.loads(run.directory.composition_file.read_text())
    points = record["search"]
    assert [point["weights"] for point in points] == [list(each) for each in list_grid(2)]
    assert all(point["losses"].keys() == {"colour", "pitch"} for point in points)
    best = min(points, key=lambda point: point["relative_loss"])
    assert [each["weight"] for each in record["runs"]] == best["weights"]
    # Losses with weights (1, 0) are those of a composition with them.
    assert len({point["losses"]["colour"] for point in points}) > 1
